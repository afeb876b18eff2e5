// Tasks that log on the event loop, with `await`.
import AsyncLog
import EventLoop

struct OnLoop {
    let logger: Logger
    let count: Int
    /// A closure writes the fields, not a literal.
    var writesFields = false

    /// Returns the figures that the workload adds to the statistics.
    func run(_ workload: String) async throws -> () -> String {
        switch workload {
        case "hello": await hello()
        case "text": await text()
        case "json": if writesFields { await jsonByClosure() } else { await json() }
        case "off": await disabled()
        case "slow": return try await slow()
        case "lat": return await latency()
        default: fatalError("no such workload: \(workload)")
        }
        return { "" }
    }

    private func hello() async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<count { group.addTask { await logger.info("Hello world !") } }
        }
    }

    private func text() async {
        for id in 0..<count { await logger.info("request handled id=\(id) status=\(200) path=\("/index.html")") }
    }

    private func json() async {
        for id in 0..<count {
            await logger.info(
                "request handled",
                ["id": id, "status": 200, "path": "/index.html", "duration": Double(id % 1000) + 0.125, "cached": id & 1 == 1])
        }
    }

    private func jsonByClosure() async {
        for id in 0..<count {
            await logger.info("request handled") { fields in
                fields["id"] = id
                fields["status"] = 200
                fields["path"] = "/index.html"
                fields["duration"] = Double(id % 1000) + 0.125
                fields["cached"] = id & 1 == 1
            }
        }
    }

    private func disabled() async {
        for id in 0..<count { await logger.info("request handled id=\(id) status=\(200) path=\("/index.html")") }
    }

    private func latency() async -> () -> String {
        let latencies = Latencies(count)
        for id in 0..<count {
            let before = nanoseconds()
            await logger.info("request handled id=\(id) status=\(200) path=\("/index.html")")
            latencies.note(id, nanoseconds() - before)
        }
        return latencies.summary
    }

    private func slow() async throws -> () -> String {
        let prefix = "2026-11-22T12:00:00.123456Z INFO app: "
        let line = String(repeating: "x", count: 99 - prefix.utf8.count)
        let tick = Tick()
        let ticker = Task {
            while !tick.isDone {
                try await EventLoop.sleep(for: .milliseconds(1))
                tick.note(nanoseconds())
            }
        }
        try await EventLoop.sleep(for: .milliseconds(20))
        tick.worst = 0
        let burstStart = nanoseconds()
        var worstBatch: UInt64 = 0
        for _ in 0..<count / 100 {
            let batchStart = nanoseconds()
            for _ in 0..<100 { await logger.info("\(line)") }
            worstBatch = max(worstBatch, nanoseconds() - batchStart)
            await Task.yield()
        }
        let burst = nanoseconds() - burstStart
        let worstInBurst = tick.worst
        tick.worst = 0
        try await logger.flush()
        try await EventLoop.sleep(for: .milliseconds(2))
        let worstInShutdown = tick.worst
        tick.isDone = true
        try await ticker.value
        func milliseconds(_ value: UInt64) -> Double { Double(value) / 1e6 }
        return {
            ",\"tick_burst_ms\":\(milliseconds(worstInBurst)),\"tick_shutdown_ms\":\(milliseconds(worstInShutdown))"
                + ",\"batch_ms\":\(milliseconds(worstBatch)),\"burst_ms\":\(milliseconds(burst))"
        }
    }
}

/// The largest gap between two ticks. Everything runs on one thread: the loop is the executor of the process.
final class Tick: @unchecked Sendable {
    var worst: UInt64 = 0
    var isDone = false
    private var last = nanoseconds()

    func note(_ now: UInt64) {
        worst = max(worst, now - last)
        last = now
    }
}
