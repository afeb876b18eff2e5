// What is promised, tried on real processes: LogLoad logs, something goes wrong, and logcheck says what is left.
import Glibc
import TestSupport
import Testing

@Suite("Under load")
struct LoadTests {
    /// What logcheck says of a file; fails the test if that is not what is expected.
    private func check(
        _ arguments: [String], isInOrder: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
        let verdict = try run("logcheck", arguments)
        #expect(
            verdict.end == .exited(isInOrder ? 0 : 1), "\(verdict.text)\(verdict.error)", sourceLocation: sourceLocation
        )
        return verdict
    }

    // MARK: Flags and report

    @Test(
        "flags that make no sense are refused with the reason and the status 64",
        arguments: [
            (["--to", "nowhere"], "\"nowhere\" is no destination"),
            (["--to", "tcp:host"], "\"tcp:host\" is no address"),
            (["--format", "xml"], "\"xml\" is no format: text, console, json, logfmt, msgpack"),
            (["--lines=-1"], "no negative number of records"),
            (["--lines", "many"], "many"), (["--tasks", "0"], "no task and no thread logs"),
            (["--rate", "0"], "more than 0"),
            (["--overflow", "shed:loud"], "\"loud\" is no level"),
            (["--overflow", "explode"], "\"explode\" is no overflow policy"),
            (["--crash", "bang@5"], "\"bang\" is no way to crash: trap, segv, abort, exit, kill, thread"),
            (["--crash", "segv"], "\"segv\" is not HOW@LINE"),
            (["--crash", "segv@10001"], "there are only 10000 records"), (["--flush", "often"], "often"),
            (["--capacity", "1"], "at least 16 bytes"),
            (["--flush", "none", "--flush-every", "5"], "no flush at all"),
            (["--keep", "3"], "go with --to rotate:PATH"),
            (["--size=-1"], "0 to 65536"),
            (["--tick-ms", "0"], "at least 1"), (["--frobnicate"], "Unknown option"),
        ])
    func badFlags(arguments: [String], reason: String) throws {
        let outcome = try run("LogLoad", arguments)
        #expect(outcome.end == .exited(64) && outcome.output.isEmpty)
        #expect(outcome.error.hasPrefix("Error: ") && outcome.error.contains(reason), "\(outcome.error)")
    }

    @Test("the report is one JSON object at the end of standard error, and says what became of the records")
    func report() throws {
        let outcome = try run("LogLoad", ["--lines", "3000", "--tasks", "7", "--format", "json"])
        #expect(outcome.end == .exited(0))
        for (key, value) in [
            ("accepted", "3000"), ("written", "3000"), ("dropped", "{}"), ("pending", "0"), ("state", "ready"),
        ] {
            #expect(outcome.reported(key) == value, "\(key)")
        }
        #expect(try outcome.reportedNumber("bytes") == Double(outcome.output.count))
        let times = try ["p50_ns", "p99_ns", "p999_ns", "max_ns"].map { try outcome.reportedNumber($0) }
        #expect(times == times.sorted() && times[0] > 0)
        for key in ["max_tick_gap_ms", "elapsed_ns", "cpu_ns", "peak_rss_kb", "turns", "write_calls", "clock_ns"] {
            #expect(try outcome.reportedNumber(key) > 0, "\(key)")
        }
        #expect(try logcheck(outcome.output, ["--lines", "3000"]).end == .exited(0))
    }

    @Test("a rate is kept")
    func rate() throws {
        let outcome = try run("LogLoad", ["--lines", "100", "--tasks", "3", "--rate", "500"])
        // The last of a hundred is due after 198 ms, however late the machine is.
        #expect(try outcome.reportedNumber("elapsed_ns") >= 198_000_000)
        #expect(try logcheck(outcome.output, ["--lines", "100"]).end == .exited(0))
    }

    // MARK: The reader

    @Test("a reader that is stopped and goes on loses nothing, blocks no thread, and fills no memory")
    func stoppedReader() throws {
        let folder = try TemporaryFolder()
        let (fifo, copy, report) = (folder.file("fifo"), folder.file("copy"), folder.file("report"))
        try #require(mkfifo(fifo, 0o600) == 0)
        // Keeps the FIFO's ends together, and tells how full it is.
        let watcher = open(fifo, O_RDWR | O_CLOEXEC)
        try #require(watcher >= 0)
        let reader = try ChildProcess(
            "/bin/cat", input: .path(fifo, flags: O_RDONLY), output: .path(copy, flags: O_WRONLY | O_CREAT))
        reader.signal(SIGSTOP)
        let load = try ChildProcess(
            "LogLoad", ["--lines", "20000", "--size", "900", "--tasks", "3", "--report", report],
            output: .path(fifo, flags: O_WRONLY))
        var full: CInt = 0
        while full < 60_000 || state(of: load.pid) != "S" {
            _ = ioctl(watcher, UInt(FIONREAD), &full)
            sched_yield()
        }
        sleep(2)  // it is the reader that takes its time
        close(watcher)
        reader.signal(SIGCONT)
        #expect(try load.wait() == .exited(0))
        #expect(try reader.wait() == .exited(0))
        _ = try check([copy, "--report", report])
        let outcome = Outcome(error: try readText(path: report))
        #expect(try outcome.reportedNumber("max_tick_gap_ms") < 1500)
        // Of 20 MB. AddressSanitizer keeps what has been freed.
        #expect(try outcome.reportedNumber("peak_rss_kb") < (dlsym(nil, "__asan_init") == nil ? 60_000 : 200_000))
    }

    @Test("a full device: everything is dropped, counted, and said; the state has the reason, the status is 1")
    func fullDevice() throws {
        let error = try Pipe()
        let child = try ChildProcess(
            "LogLoad", ["--lines", "3000"], output: .path("/dev/full", flags: O_WRONLY),
            error: .descriptor(error.writer))
        let outcome = Outcome(error: String(decoding: error.readToEnd(), as: UTF8.self), end: try child.wait())
        #expect(outcome.end == .exited(1))
        #expect(
            outcome.reported("accepted") == "3000" && outcome.reported("written") == "0"
                && outcome.reported("pending") == "0")
        #expect(outcome.reported("dropped") == "{\"failure\": 3000}")
        #expect(outcome.reported("state") == "failed: write standard output: no space left on device (ENOSPC)")
        #expect(outcome.error.contains("3000 of 3000 records dropped"), "\(outcome.error)")
    }

    @Test("a reader that goes away: what it has not read is counted as lost, and the program ends by itself")
    func vanishedReader() throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "LogLoad", ["--lines", "20000"], output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        var byte: UInt8 = 0
        try #require(read(output.reader, &byte, 1) == 1)
        output.closeReader()
        let outcome = Outcome(error: String(decoding: error.readToEnd(), as: UTF8.self), end: try child.wait())
        #expect(outcome.end == .exited(1))
        let (written, dropped) = (try outcome.reportedNumber("written"), outcome.reported("dropped") ?? "")
        #expect(dropped == "{\"failure\": \(20_000 - Int(written))}", "\(outcome.error)")
        #expect(outcome.reported("state")?.hasPrefix("failed: write standard output: broken pipe") == true)
    }

    // MARK: Overflow

    /// Runs LogLoad with a reader that begins to read only when the pipe is full and LogLoad waits, or is done but for
    /// its output.
    private func runWithLateReader(_ arguments: [String]) throws -> (Outcome, verdict: Outcome) {
        let folder = try TemporaryFolder()
        let (output, error) = (try Pipe(), try Pipe())
        let report = folder.file("report")
        let child = try ChildProcess(
            "LogLoad", ["--report", report] + arguments, output: .descriptor(output.writer),
            error: .descriptor(error.writer))
        output.closeWriter()
        while output.readableBytes < 50_000 || state(of: child.pid) != "S" { sched_yield() }
        var outcome = Outcome()
        outcome.output = readAll(output.reader)
        outcome.end = try child.wait()
        outcome.error = try readText(path: report)
        let order = arguments.contains("--threads") ? ["--order", "task"] : []
        return (outcome, try logcheck(outcome.output, ["--report", report] + order))
    }

    @Test(
        "what does not fit in is dropped as the policy says: counted in the books, reported in the log, and in no other place",
        arguments: ["drop-newest", "drop-oldest", "shed:warning"], ["text", "msgpack"])
    func drops(policy: String, format: String) throws {
        let arguments = [
            "--lines", "4000", "--tasks", "3", "--overflow", policy, "--capacity", "30000", "--format", format,
        ]
        let (outcome, verdict) = try runWithLateReader(arguments)
        #expect(verdict.end == .exited(0), "\(verdict.text)")
        #expect(outcome.end == .exited(0))
        let reason = policy.hasPrefix("shed") ? "shed" : "overflow"
        #expect(outcome.reported("dropped")?.hasPrefix("{\"\(reason)\": ") == true, "\(outcome.error)")
    }

    @Test("suspend: tasks wait, nothing is lost, and no record overtakes another", arguments: ["30000", "300"])
    func suspend(capacity: String) throws {
        let (outcome, verdict) = try runWithLateReader(["--lines", "4000", "--tasks", "50", "--capacity", capacity])
        #expect(verdict.end == .exited(0), "\(verdict.text)")
        #expect(outcome.reported("dropped") == "{}")
    }

    @Test("block: threads wait, and lose nothing")
    func block() throws {
        let (outcome, verdict) = try runWithLateReader(
            [
                "--lines", "8000", "--tasks", "1", "--threads", "2", "--size", "300", "--overflow", "block",
                "--capacity", "30000",
            ])
        #expect(verdict.end == .exited(0), "\(verdict.text)")
        #expect(outcome.reported("dropped") == "{}")
    }

    // MARK: Files

    @Test(
        "rotation under load loses nothing and doubles nothing",
        arguments: [["--rotate-size", "60000"], ["--rotate-size", "40000", "--compress", "gzip"]])
    func rotation(arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let report = folder.file("report.json")
        let outcome = try run(
            "LogLoad",
            [
                "--lines", "6000", "--tasks", "10", "--threads", "1", "--overflow", "block", "--to",
                "rotate:" + folder.file("app.log"), "--report",
                report,
            ]
                + arguments)
        #expect(outcome.end == .exited(0), "\(outcome.error)")
        let files = try names(in: folder.path).filter { $0.hasPrefix("app.log.") } + ["app.log"]
        #expect(!files.contains { $0.hasSuffix(".partial") }, "\(files)")
        #expect(files.count >= 6000 * 90 / 60_000, "\(files)")
        let verdict = try check(files.map(folder.file) + ["--order", "task", "--report", report])
        #expect(verdict.lines.contains { $0.hasPrefix("records") && $0.contains(" 6000,") }, "\(verdict.text)")
        #expect(Outcome(error: try readText(path: report)).reported("state") == "ready")
    }

    @Test(
        "SIGKILL while files rotate tears at most the last record, and loses nothing that was flushed", arguments: 0..<5
    )
    func killedWhileRotating(round: Int) throws {
        let folder = try TemporaryFolder()
        let report = folder.file("report")
        let child = try ChildProcess(
            "LogLoad",
            [
                "--lines", "1000000", "--tasks", "3", "--size", "500", "--flush-every", "50", "--report", report,
                "--rotate-size", "50000", "--to",
                "rotate:" + folder.file("app.log"),
            ])
        while access(report, F_OK) != 0 { usleep(200) }
        usleep(UInt32.random(in: 0..<20_000))
        child.signal(SIGKILL)
        #expect(try child.wait() == .signalled(SIGKILL))
        _ = try check(
            names(in: folder.path).filter { $0.hasPrefix("app") }.map(folder.file) + ["--killed", "--report", report])
    }

    // MARK: Ends

    @Test(
        "whatever ends the program, what it had logged is there; a crash has the last word",
        arguments: ["trap", "segv", "abort", "exit"], ["text", "console", "json", "logfmt", "msgpack"])
    func crashes(how: String, format: String) throws {
        let signal = ["segv": "SIGSEGV", "abort": "SIGABRT"][how] ?? "SIG"
        let outcome = try run(
            "LogLoad", ["--lines", "1200", "--tasks", "4", "--crash", "\(how)@1000", "--format", format])
        let verdict = try logcheck(outcome.output, ["--lines", "1000"])
        #expect(verdict.end == .exited(0), "\(verdict.text)")
        #expect(
            how == "exit" || verdict.lines.contains { $0.hasPrefix("crash") && $0.contains(signal) }, "\(verdict.text)")
        #expect((how == "exit") == (outcome.end == .exited(0)))
    }

    @Test("a crash writes into files, too, and goes on where their writes were", arguments: ["file:", "rotate:"])
    func crashIntoFile(kind: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("app.log")
        let size = kind == "rotate:" ? ["--rotate-size", "90000"] : []
        let outcome = try run(
            "LogLoad", ["--lines", "3000", "--tasks", "2", "--crash", "abort@3000", "--to", kind + path] + size)
        #expect(outcome.end == .signalled(SIGABRT))
        let verdict = try check(names(in: folder.path).map(folder.file) + ["--lines", "3000"])
        #expect(
            verdict.lines.contains { $0.hasPrefix("crash") && $0.hasSuffix("SIGABRT, 0 unwritten, 0 undelivered") },
            "\(verdict.text)")
    }

    @Test("SIGKILL between two records leaves whole records, and all that were flushed")
    func killedByItself() throws {
        let folder = try TemporaryFolder()
        let report = folder.file("report")
        let outcome = try run("LogLoad", ["--crash", "kill@2050", "--flush-every", "100", "--report", report])
        #expect(outcome.end == .signalled(SIGKILL))
        let verdict = try logcheck(outcome.output, ["--killed", "--report", report])
        #expect(
            verdict.end == .exited(0)
                && verdict.lines.contains { $0.hasPrefix("flushed") && $0.hasSuffix("2000 records: all there") },
            "\(verdict.text)")
    }

    @Test("SIGKILL at any moment tears at most the last record, and loses nothing that was flushed", arguments: 0..<25)
    func killed(round: Int) throws {
        let folder = try TemporaryFolder()
        let (log, report) = (folder.file("log"), folder.file("report"))
        let format = LogCheckTests.formats[round % 5]
        let mode = round % 3 == 0 ? "durable" : "written"
        let child = try ChildProcess(
            "LogLoad",
            [
                "--lines", "1000000", "--tasks", "3", "--size", "500", "--format", format, "--flush", mode,
                "--flush-every", "50", "--report", report,
            ],
            output: .path(log, flags: O_WRONLY | O_CREAT | O_APPEND))
        // From the first report on, at some moment of the next ten milliseconds.
        while access(report, F_OK) != 0 { usleep(200) }
        usleep(UInt32.random(in: 0..<10_000))
        child.signal(SIGKILL)
        #expect(try child.wait() == .signalled(SIGKILL))
        let verdict = try check([log, "--killed", "--report", report])
        #expect(!verdict.lines.contains { $0.hasPrefix("flushed") && $0.contains(" 0 records") }, "\(verdict.text)")
    }
}

/// ioctl(2): how many bytes can be read; a macro that Swift does not import.
private let FIONREAD: CInt = 0x541B
