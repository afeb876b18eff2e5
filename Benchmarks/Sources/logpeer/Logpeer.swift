// The logger on the workloads by which loggers are compared.
//
//     logpeer PEER WORKLOAD N OUT
//
// PEER is `asynclog` (tasks on the event loop log, with `await`), `asynclog-closure` (the same, with the fields of `json` written by a closure instead
// of a dictionary literal), `asynclog-thread` (a thread of its own logs, through the loop's inbox) or `asynclog-bridge` (the first through swift-log). OUT is a path, or `-` for standard output. One JSON object goes to the file that $BENCH_STATS names:
// `elapsed_ns`, `n`, and the workload's own figures.
//
//     hello   N tasks at once, one line each
//     text    N lines with three interpolated values
//     json    N events with five fields
//     slow    N lines of 100 bytes in batches of 100, beside a tick of 1 ms: how late is the tick? (the reader sleeps)
//     lat     how long each of N calls takes
//     off     N calls below the level
//
// Besides, `asynclog-bridge` has N batches of 1,000 calls with four values of metadata each (Bridge.swift):
//
//     thread   the handler on a loop with a thread of its own, in turns with StreamLogHandler
//     loop     the same on the loop that logs
//     alone    the first without StreamLogHandler, for a profiler
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc

@main
struct Logpeer {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let count = Int(arguments[3]) else {
            fputs("usage: logpeer asynclog[-closure|-thread|-bridge] hello|text|json|slow|lat|off|thread|loop|alone N OUT\n", stderr)
            exit(2)
        }
        if arguments[4] != "-" {
            // The handlers under measurement write to standard output: so standard output has to be the file.
            let file = open(arguments[4], O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0, dup2(file, 1) == 1 else {
                perror(arguments[4])
                exit(1)
            }
        }
        let (peer, workload) = (arguments[1], arguments[2])
        let start = nanoseconds()
        if let results = try compared(workload, count) {
            return report("{\"elapsed_ns\":\(nanoseconds() - start),\"n\":\(count)\(results)}\n")
        }
        let extra = try EventLoop.run {
            let handler = makeHandler(workload)
            let logger = Logger("app", level: workload == "off" ? .warning : .info, handlers: [handler])
            let extra: () -> String
            switch peer {
            case "asynclog": extra = try await OnLoop(logger: logger, count: count).run(workload)
            case "asynclog-closure": extra = try await OnLoop(logger: logger, count: count, writesFields: true).run(workload)
            case "asynclog-thread": extra = await OffLoop(logger: logger, count: count).run(workload)
            case "asynclog-bridge": extra = await Bridged(handler, count: count).run(workload)
            default: fatalError("no such peer: \(peer)")
            }
            await logger.shutdown(within: .seconds(60))
            return extra
        }
        report("{\"elapsed_ns\":\(nanoseconds() - start),\"n\":\(count)\(extra())}\n")
    }

    /// The workloads in which `AsyncLogHandler` and swift-log's own handler take turns.
    static func compared(_ workload: String, _ count: Int) throws -> String? {
        switch workload {
        case "thread": try BridgeBench.onOwnThread(count)
        case "loop": try EventLoop.run { try await BridgeBench.onLoop(count) }
        case "alone": try BridgeBench.alone(count)
        default: nil
        }
    }

    static func report(_ statistics: String) {
        if let path = getenv("BENCH_STATS"), let file = fopen(path, "w") {
            fputs(statistics, file)
            fclose(file)
        } else {
            fputs(statistics, stderr)
        }
    }

    /// The standard logger's handlers, with two differences: the format, and threads wait for room instead of losing records.
    static func makeHandler(_ workload: String) -> Handler {
        let (out, overflow) = (AsyncFD.standardOutput, Overflow.block(upTo: .seconds(60)))
        return workload == "json"
            ? StreamHandler(out, formatter: JSONFormatter(), overflow: overflow) : StreamHandler(out, formatter: TextFormatter(), overflow: overflow)
    }
}
