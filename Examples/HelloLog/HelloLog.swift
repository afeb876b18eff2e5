// Ten thousand tasks log one line each, all at once, to the same standard output. No task waits, and no line is lost.
//
//     swift run -c release HelloLog | wc -l
//     swift run -c release HelloLog --stats > /dev/null
import ArgumentParser
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc

@main
struct HelloLog: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Logs \"Hello world !\" from many concurrent tasks.")

    @Option(help: "How many tasks there are; each logs one line.")
    var tasks = 10_000

    @Flag(name: .customLong("print"), help: "Use the asynchronous print instead of the logger.")
    var prints = false

    @Flag(help: "Print the counters on standard error, as one line of JSON.")
    var stats = false

    func validate() throws {
        if tasks < 0 { throw ValidationError("--tasks \(tasks): must be at least 0") }
    }

    func run() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let (ledger, turns) = try EventLoop.run {
            await (prints ? printAll() : logAll(), EventLoop.current!.metrics.turns)
        }
        if stats { say(ledger, turns: turns, elapsed: clock.now - start) }
        if ledger.droppedTotal > 0 { throw ExitCode.failure }
    }

    private func logAll() async -> Ledger {
        let logger = Logger.standard("hello")
        await withDiscardingTaskGroup { group in
            for _ in 0..<tasks {
                group.addTask { await logger.info("Hello world !") }
            }
        }
        return await logger.shutdown(within: .seconds(30))
    }

    private func printAll() async -> Ledger {
        await withDiscardingTaskGroup { group in
            for _ in 0..<tasks {
                group.addTask { await print("Hello world !") }
            }
        }
        return await AsyncFD.standardOutput.finishPrints(within: .seconds(30))
    }

    /// Prints one line of JSON on standard error.
    private func say(_ ledger: Ledger, turns: UInt64, elapsed: Duration) {
        let nanoseconds = elapsed.components.seconds * 1_000_000_000 + elapsed.components.attoseconds / 1_000_000_000
        let fields: [(String, UInt64)] = [
            ("accepted", ledger.accepted), ("written", ledger.written), ("dropped", ledger.droppedTotal),
            ("turns", turns),
            ("write_calls", ledger.writeCalls), ("threads", threads), ("elapsed_ns", UInt64(nanoseconds)),
        ]
        fputs("{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}\n", stderr)
    }

    /// The number of the process's threads, as the kernel counts them.
    private var threads: UInt64 {
        guard let directory = opendir("/proc/self/task") else { return 0 }
        defer { closedir(directory) }
        var count: UInt64 = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 }
        }
        return count
    }
}
