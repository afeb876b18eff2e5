// The logger on the work that loggers are compared by.
//
//     logpeer PEER WORKLOAD N OUT
//
// PEER is the row's name, OUT a path or `-` for standard output. One JSON object goes to the file that $BENCH_STATS names:
// `elapsed_ns`, `n`, and what the workload adds.
//
//     hello   N tasks at once, one line each
//     text    N lines with three interpolated values
//     slow    N lines of 100 bytes in batches of 100, beside a tick of 1 ms: how late is the tick? (the reader sleeps)
//     lat     how long each of N calls takes
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc

@main
struct Logpeer {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let count = Int(arguments[3]) else {
            fputs("usage: logpeer PEER hello|text|slow|lat N OUT\n", stderr)
            exit(2)
        }
        if arguments[4] != "-" {
            // The standard logger writes to standard output: that is where the file has to be.
            let file = open(arguments[4], O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0, dup2(file, 1) == 1 else {
                perror(arguments[4])
                exit(1)
            }
        }
        let workload = arguments[2]
        let start = nanoseconds()
        let extra = try EventLoop.run {
            let bench = Logpeer(logger: .standard("app"), count: count)
            let extra =
                switch workload {
                case "hello": await bench.hello()
                case "text": await bench.text()
                case "slow": try await bench.slow()
                case "lat": await bench.latency()
                default: fatalError("no such workload: \(workload)")
                }
            await bench.logger.shutdown(within: .seconds(60))
            return extra
        }
        let statistics = "{\"elapsed_ns\":\(nanoseconds() - start),\"n\":\(count)\(extra())}\n"
        if let path = getenv("BENCH_STATS"), let file = fopen(path, "w") {
            fputs(statistics, file)
            fclose(file)
        } else {
            fputs(statistics, stderr)
        }
    }

    let logger: Logger
    let count: Int

    func hello() async -> () -> String {
        await withDiscardingTaskGroup { group in
            for _ in 0..<count { group.addTask { await logger.info("Hello world !") } }
        }
        return { "" }
    }

    func text() async -> () -> String {
        for id in 0..<count { await logger.info("request handled id=\(id) status=\(200) path=\("/index.html")") }
        return { "" }
    }

    func latency() async -> () -> String {
        let times = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: count)
        times.initialize(repeating: 0)
        for id in 0..<count {
            let before = nanoseconds()
            await logger.info("request handled id=\(id) status=\(200) path=\("/index.html")")
            times[id] = UInt32(clamping: nanoseconds() - before)
        }
        let count = count
        return {
            var times = times
            times.sort()
            return ",\"p50\":\(times[count / 2]),\"p99\":\(times[count * 99 / 100]),\"p999\":\(times[count * 999 / 1000]),\"max\":\(times[count - 1])"
        }
    }

    func slow() async throws -> () -> String {
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

func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
