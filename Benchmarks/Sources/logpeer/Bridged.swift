// The same workloads through swift-log, as in a program whose libraries log through it.
import AsyncLog
import AsyncLogBridge
import Logging

struct Bridged {
    private let logger: Logging.Logger
    /// The backend behind swift-log.
    private let root: AsyncLog.Logger
    private let count: Int

    init(_ handler: Handler, count: Int) {
        root = AsyncLog.Logger("", handlers: [handler])
        LoggingSystem.bootstrap(AsyncLogBackend(root))
        logger = Logging.Logger(label: "app")
        self.count = count
    }

    /// Returns the figures that the workload adds to the statistics.
    func run(_ workload: String) async -> () -> String {
        switch workload {
        case "hello":
            await withDiscardingTaskGroup { group in
                for _ in 0..<count { group.addTask { logger.info("Hello world !") } }
            }
        case "text":
            for id in 0..<count {
                logger.info("request handled id=\(id) status=\(200) path=\("/index.html")")
                await letOthers(id)
            }
        case "json":
            for id in 0..<count {
                logger.info(
                    "request handled",
                    metadata: [
                        "id": "\(id)", "status": "\(200)", "path": "/index.html", "duration": "\(Double(id % 1000) + 0.125)",
                        "cached": "\(id & 1 == 1)",
                    ])
                await letOthers(id)
            }
        case "lat":
            let latencies = Latencies(count)
            for id in 0..<count {
                let before = nanoseconds()
                logger.info("request handled id=\(id) status=\(200) path=\("/index.html")")
                latencies.note(id, nanoseconds() - before)
                await letOthers(id)
            }
            return latencies.summary
        default: fatalError("no such workload: \(workload)")
        }
        return { "" }
    }

    /// Calls of swift-log do not wait for room: a loop that never ended its turn would fill the buffer, and lose the rest.
    private func letOthers(_ id: Int) async {
        if id % 1000 == 999 { try? await root.flush() }
    }
}
