// Ends that threads could put off: those of `run`, of a started loop and of the process, while four threads log without
// a pause.
import AsyncLog
import EventLoop
@preconcurrency import Glibc
import Synchronization
import TestSupport

extension WithoutRun {
    private static let mayEnd = Atomic<Bool>(false)

    /// Threads log without an end while the process ends. If it does not, the alarm ends it.
    static func exitUnderLoad() throws {
        alarm(10)
        logger.info("before the end")
        _ = try logWithoutEnd(to: logger)
        usleep(20_000)
        exit(0)
    }

    /// Threads log without an end while `run` returns, three times. If it does not, the alarm ends the process. Then they
    /// stop, and the books must balance.
    static func returnUnderLoad(to destination: String, _ path: String) throws {
        alarm(20)
        let logger = Logger("app", handlers: [try handler(destination, path)])
        var threads: [pthread_t] = []
        for _ in 0..<3 {
            try EventLoop.run {
                await logger.info("before the end")
                if threads.isEmpty { threads = try logWithoutEnd(to: logger) }
                try await EventLoop.sleep(for: .milliseconds(20))
            }
        }
        mayEnd.store(true, ordering: .relaxed)
        for thread in threads { pthread_join(thread, nil) }
        try EventLoop.run {
            try? await logger.flush()
            let ledger = await logger.ledger
            fputs("balances: \(ledger.balances), pending: \(ledger.pending), written: \(ledger.written)\n", stderr)
        }
    }

    private static func handler(_ destination: String, _ path: String) throws -> Handler {
        switch destination {
        case "output": return StreamHandler(.standardOutput, formatter: TextFormatter())
        case "file":
            return try FileHandler(
                FilePath(path + "/log"), formatter: TextFormatter(),
                rotation: Rotation(.size(100_000), keep: .count(10_000)))
        case "spool":
            return SocketHandler(.unix(path + "/none"), formatter: TextFormatter(), spool: .disk(path + "/spool"))
        default: return SocketHandler(.unix(path + "/none"), formatter: TextFormatter())
        }
    }

    private static func logWithoutEnd(to logger: Logger) throws -> [pthread_t] {
        var threads: [pthread_t] = []
        for _ in 0..<4 {
            let thread = try runThread {
                while !mayEnd.load(ordering: .relaxed) {
                    for _ in 0..<50 { logger.info("without an end") }
                    usleep(10)
                }
            }
            threads.append(thread)
        }
        return threads
    }
}
