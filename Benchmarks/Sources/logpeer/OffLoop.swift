// A thread without an event loop that logs through the loop's inbox.
import AsyncLog
import EventLoop
@preconcurrency import Glibc

struct OffLoop {
    let logger: Logger
    let count: Int

    /// Runs the workload on a thread of its own while the loop turns. Returns the figures that it adds to the statistics.
    func run(_ workload: String) async -> () -> String {
        await withUnsafeContinuation { continuation in
            startThread { continuation.resume(returning: perform(workload)) }
        }
    }

    private func perform(_ workload: String) -> () -> String {
        switch workload {
        case "hello": for _ in 0..<count { logger.info("Hello world !") }
        case "text": for id in 0..<count { logger.info("request handled id=\(id) status=\(200) path=\("/index.html")") }
        case "json":
            for id in 0..<count {
                logger.info(
                    "request handled",
                    ["id": id, "status": 200, "path": "/index.html", "duration": Double(id % 1000) + 0.125, "cached": id & 1 == 1])
            }
        case "lat":
            let latencies = Latencies(count)
            for id in 0..<count {
                let before = nanoseconds()
                logger.info("request handled id=\(id) status=\(200) path=\("/index.html")")
                latencies.note(id, nanoseconds() - before)
            }
            return latencies.summary
        default: fatalError("no such workload: \(workload)")
        }
        return { "" }
    }
}

private func startThread(_ body: @escaping () -> Void) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    let status = pthread_create(
        &thread, nil,
        { context in
            Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue().run()
            return nil
        }, context)
    precondition(status == 0, "pthread_create: \(status)")
    pthread_detach(thread)
}

private final class ThreadBody {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
}
