// Puts the logger under load, and prints its ledger.
//
//     swift run -c release LogLoad --lines 1000000 --to file:/tmp/app.log
//     swift run -c release LogLoad --tasks 1000 --format json --overflow drop-newest | logcheck
//     swift run -c release LogLoad --lines 200000 --crash segv@150000 --to file:/tmp/app.log; logcheck /tmp/app.log
//
// `--tasks` concurrent tasks on one event loop, and `--threads` plain threads beside it, share the work until `--lines`
// records are logged. Each record has a message of its own and three fields: `seq`, the number of the call (from 0,
// without gaps), `task`, the task or thread that made it, and `pad`, as many characters as `--size` says. So a reader
// of the output, such as `logcheck`, can find torn, doubled, misplaced and missing records. Tasks draw their numbers in
// the order in which the logger accepts their records. A thread's records keep the thread's order; the loop accepts
// them when it reaches them (`logcheck --order task`).
//
// At the end LogLoad prints one line of JSON with the counts and the cost:
//
//     accepted, written, dropped, pending   the ledger, in records; dropped by reason
//     bytes                                 written
//     max_tick_gap_ms                       the longest pause of a task on the same loop that wakes every --tick-ms
//     p50_ns … max_ns                       how long the calls of the logger took, waiting for room included
//     clock_ns                              the time that reading the clock adds to each of these
//     elapsed_ns, cpu_ns, peak_rss_kb       of the whole load, up to the last byte
//     turns, write_calls                    of the event loop; of the handler
//     state                                 of the handler: ready, degraded or failed, with the reason
//
// With --report and --flush-every LogLoad updates the file after every flush, and the file is whole at any moment:
// after a kill it shows what had been flushed.
//
// The exit status is 0 if only the overflow policy dropped records, 1 if other records were lost, 64 for invalid flags.
import ArgumentParser
import AsyncLog
import EventLoop

@main
struct LogLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "LogLoad", abstract: "Puts the logger under load, and prints its ledger.",
        discussion: "Records carry the fields seq (dense, from 0), task and pad; logcheck reads them.")

    @Option(help: "How many records there are, of all tasks and threads together.")
    var lines = 10_000

    @Option(help: "How many concurrent tasks log, on the event loop.")
    var tasks = 1

    @Option(help: "How many plain threads log beside them.")
    var threads = 0

    @Option(help: "At most this many records a second, of all together. No limit unless given.")
    var rate: Double?

    @Option(help: "How many bytes of padding a record carries.")
    var size = 32

    @Option(help: "\(LogFormat.list); text, unless given.", transform: LogFormat.parse)
    var format = LogFormat.text

    @Option(help: "\(Destination.list); stdout, unless given.", transform: Destination.parse)
    var to = Destination.standardOutput

    @OptionGroup(title: "Rotation")
    var rotation: RotationOptions

    @Option(help: "\(OverflowOption.list); suspend, unless given.", transform: OverflowOption.parse)
    var overflow = OverflowOption.suspend

    @Option(help: "How many bytes may wait to be written.")
    var capacity = 1 << 20

    @Option(
        help:
            "What a flush waits for: written (the kernel has the records), durable (the disk has them); none: there is no flush."
    )
    var flush = FlushOption.written

    @Option(help: "Flush after this many records; 0: only at the end.")
    var flushEvery = 0

    @Option(
        help: "A task on the same loop wakes in this interval of milliseconds, to measure how long the loop is held up."
    )
    var tickMs = 1

    @Option(
        help: "Crash as soon as LINE records are logged: HOW@LINE, where HOW is \(CrashPoint.list).",
        transform: CrashPoint.parse)
    var crash: CrashPoint?

    @Option(help: ArgumentHelp("Where the report goes, instead of the end of standard error.", valueName: "path"))
    var report: String?

    func validate() throws {
        func require(_ condition: Bool, _ complaint: String) throws {
            if !condition { throw ValidationError(complaint) }
        }
        try require(lines >= 0, "--lines \(lines): there is no negative number of records")
        try require(tasks >= 0, "--tasks \(tasks): there is no negative number of tasks")
        try require(threads >= 0, "--threads \(threads): there is no negative number of threads")
        try require(tasks + threads > 0 || lines == 0, "--tasks 0 without --threads: no task and no thread logs")
        try require(
            rate.map { $0 > 0 && $0.isFinite } ?? true,
            "--rate \(rate ?? 0): it is a number of records a second, more than 0")
        try require(size >= 0 && size <= 65_536, "--size \(size): from 0 to 65536 bytes")
        try require(capacity >= 16, "--capacity \(capacity): it is at least 16 bytes")
        try require(flushEvery >= 0, "--flush-every \(flushEvery): it is a number of records, 0 for only at the end")
        try require(
            flushEvery == 0 || flush != .none, "--flush-every \(flushEvery) with --flush none: that is no flush at all")
        try require(tickMs > 0, "--tick-ms \(tickMs): it is at least 1")
        if let crash { try require(crash.line <= lines, "--crash \(crash): there are only \(lines) records") }
        try rotation.validate(for: to)
        try require(
            !to.isSyslog || format == .text, "--format \(format) with --to syslog: syslog has a format of its own")
    }

    func run() throws {
        let load = try Load(self)
        try EventLoop.run { await load.run() }
        let report = try EventLoop.run { await load.conclude() }
        try report.publish(to: self.report)
        if report.lostUnintentionally(overflow) { throw ExitCode.failure }
    }
}
