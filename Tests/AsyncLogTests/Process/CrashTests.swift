// What a program leaves behind that crashes: all that it had logged, in order and once, and a last line that names the
// signal.
import Glibc
import TestSupport
import Testing

@Suite("A crash, as a child process")
struct CrashTests {
    /// Runs the crash with standard output and standard error as pipes; the one that is named may be a file instead.
    private func crash(
        _ how: String, _ format: String = "standard", output path: String? = nil
    ) throws -> (output: [UInt8], error: String, end: ChildProcess.End) {
        let output = try Pipe()
        let error = try Pipe()
        let stream = path.map { ChildProcess.Stream.path($0, flags: O_WRONLY | O_CREAT) } ?? .descriptor(output.writer)
        let child = try ChildProcess(
            "LogProgram", ["crash", how, format], output: stream, error: .descriptor(error.writer))
        output.closeWriter()
        if how == "unwritten" {
            // Only when the child has crashed is there room again.
            var word = [UInt8](repeating: 0, count: 5)
            #expect(read(error.reader, &word, 5) == 5 && word == Array("full\n".utf8))
        }
        let bytes = output.readToEnd()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        let end = try child.wait()
        return (try path.map { try readAll(path: $0) } ?? bytes, text, end)
    }

    private func lines(_ bytes: [UInt8]) -> [String] {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static let anyTime = "2026-11-22T08:27:00.123456Z"

    // MARK: Every signal

    @Test(
        "what waits in memory is written when the program crashes, in order and once, then a line that names the signal; and the crash is what it was",
        arguments: [
            ("trap", SIGILL), ("index", SIGILL), ("ill", SIGILL), ("int3", SIGTRAP), ("segv", SIGSEGV),
            ("stack", SIGSEGV), ("abort", SIGABRT),
            ("fpe", SIGFPE), ("bus", SIGBUS), ("thread", SIGILL),
        ])
    func everySignal(how: String, signal: CInt) throws {
        // A sanitizer's frames leave no room on the handler's stack, and it guards the stack in its own way.
        if how == "stack" && isSanitized { return }
        let folder = try TemporaryFolder()
        for path in [nil, folder.file("out")] {
            let (output, _, end) = try crash(how, "text", output: path)
            // A failed precondition is `int3` in debug builds and `ud2` in others.
            let actual = signal == SIGILL && end == .signalled(SIGTRAP) ? SIGTRAP : signal
            #expect(end == .signalled(actual), "\(end)")
            let lines = lines(output)
            #expect(
                lines.dropLast().map { $0.dropFirst("\(CrashTests.anyTime) INFO program: ".count) }
                    == (0..<1000).map { "line \($0)" })
            let name = names[actual]!
            let last = lines.last ?? ""
            #expect(
                last.dropFirst(CrashTests.anyTime.count)
                    == " CRITICAL asynclog: crashed: \(name) signal=\(name) signal_number=\(actual) unwritten=0 undelivered=0"
            )
            try checkTime(last.prefix(CrashTests.anyTime.count))
        }
    }

    private let names: [CInt: String] = [
        SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT",
        SIGFPE: "SIGFPE",
    ]

    /// The text has the form of an RFC 3339 time, of today or, around midnight, of the day before.
    private func checkTime(_ text: Substring, sourceLocation: SourceLocation = #_sourceLocation) throws {
        var now = time(nil)
        let days = (0...1).map { day in
            now -= day * 86_400
            var date = tm()
            gmtime_r(&now, &date)
            var text = [CChar](repeating: 0, count: 16)
            strftime(&text, text.count, "%Y-%m-%d", &date)
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        #expect(days.contains(String(text.prefix(10))), "\(text)", sourceLocation: sourceLocation)
        let form = text.map { $0.isNumber ? "0" : $0 }
        #expect(
            String(form) == CrashTests.anyTime.replacing(/[0-9]/, with: "0"), "\(text)", sourceLocation: sourceLocation)
    }

    // MARK: Every format

    @Test("the last line is what the format says")
    func json() throws {
        let last = try #require(lines(crash("segv", "json").output).last)
        let form = last.replacing(/"time":"[-0-9]{10}T[0-9:]{8}\.[0-9]{6}Z"/, with: "TIME")
        #expect(
            form == """
                {TIME,"level":"critical","logger":"asynclog","message":"crashed: SIGSEGV","signal":"SIGSEGV","signal_number":11,\
                "unwritten":0,"undelivered":0}
                """)
    }

    @Test("the last line is what the format says: epoch, and fields in an object")
    func nestedJSON() throws {
        let before = time(nil)
        let last = try #require(lines(crash("segv", "nested").output).last)
        let match = try #require(last.firstMatch(of: /^{"time":([0-9]+),/))
        #expect((before...time(nil)).contains(Int(match.1)! / 1000))
        #expect(
            last.dropFirst(match.0.count) == """
                "level":"critical","logger":"asynclog","message":"crashed: SIGSEGV","data":{"signal":"SIGSEGV","signal_number":11,\
                "unwritten":0,"undelivered":0}}
                """)
    }

    @Test("the last line is what the format says: logfmt")
    func logfmt() throws {
        let last = try #require(lines(crash("bus", "logfmt").output).last)
        #expect(
            last.replacing(/^time=[-0-9]{10}T[0-9:]{8}\.[0-9]{6}Z/, with: "TIME")
                == "TIME level=critical logger=asynclog msg=\"crashed: SIGBUS\" signal=SIGBUS signal_number=7 unwritten=0 undelivered=0"
        )
    }

    @Test("the last line is what the format says, and the library's long name does not move the columns of the others")
    func console() throws {
        let lines = try lines(crash("abort", "console").output)
        #expect(lines[0].hasSuffix(" INFO     program  line 0"))
        #expect(
            try #require(lines.last).replacing(/^[0-9:]{8}\.[0-9]{3}/, with: "TIME")
                == "TIME CRITICAL asynclog  crashed: SIGABRT                         signal=SIGABRT signal_number=6 unwritten=0 undelivered=0"
        )
    }

    @Test("the last line is what the format says: MessagePack")
    func messagePack() throws {
        let before = UInt64(time(nil))
        let output = try crash("fpe", "msgpack").output
        func text(_ text: String) -> [UInt8] { [0xA0 | UInt8(text.utf8.count)] + Array(text.utf8) }
        let head = [0xDE, 0, 8] + text("time") + [0xD7, 0xFF]
        let tail =
            text("level") + text("critical") + text("logger") + text("asynclog") + text("message")
            + text("crashed: SIGFPE") + text("signal")
            + text("SIGFPE") + text("signal_number") + [8] + text("unwritten") + [0xCE, 0, 0, 0, 0]
            + text("undelivered") + [0xCE, 0, 0, 0, 0]
        let last = output.suffix(head.count + 8 + tail.count)
        #expect(last.starts(with: head) && last.suffix(tail.count).elementsEqual(tail))
        let moment = last.dropFirst(head.count).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        #expect((before...UInt64(time(nil))).contains(moment & (1 << 34 - 1)))
        #expect(moment >> 34 < 1_000_000_000)
    }

    @Test("every time of a pattern is that of the crash, in its style and zone")
    func pattern() throws {
        let before = time(nil)
        let last = try #require(lines(crash("segv", "pattern").output).last)
        let match = try #require(
            last.firstMatch(
                of:
                    /^([0-9:]{8}) ([0-9]{19}) CRITICAL crashed: SIGSEGV signal=.* ([-0-9]{10})T([0-9:]{8})\.([0-9]{9})-03:30$/
            ))
        let nanoseconds = Int(match.2)!
        #expect((before...time(nil)).contains(nanoseconds / 1_000_000_000))
        #expect(match.1 == match.4)
        #expect(Int(match.5)! == nanoseconds % 1_000_000_000)
        var local = nanoseconds / 1_000_000_000 - 12_600
        var date = tm()
        gmtime_r(&local, &date)
        #expect(match.4.split(separator: ":").map { CInt($0)! } == [date.tm_hour, date.tm_min, date.tm_sec])
    }

    @Test("where the format writes times in a way of its own, a field says when the crash was")
    func unknownTimes() throws {
        let last = try #require(lines(crash("segv", "hexadecimal").output).last)
        let match = try #require(last.firstMatch(of: /^([0-9a-f]+) crashed: SIGSEGV signal=SIGSEGV crashed=(.*)$/))
        #expect(abs(Int(match.1, radix: 16)! / 1_000_000_000 - time(nil)) < 100)
        try checkTime(match.2)
    }

    @Test("a length in front of the last line is that of the line as it is in the end")
    func octetCounting() throws {
        let last = try #require(lines(crash("segv", "octets").output).last)
        let match = try #require(
            last.firstMatch(of: /^([0-9]+) (.* CRITICAL asynclog: crashed: SIGSEGV .* undelivered=0)$/))
        #expect(Int(match.1) == match.2.utf8.count + 1)
    }

    // MARK: What is not written

    @Test("the last line goes where critical records go, even if nothing has ever been logged there")
    func standard() throws {
        for (how, count) in [("abort", 1000), ("nothing", 0)] {
            let (output, error, end) = try crash(how)
            #expect(end == .signalled(SIGABRT))
            #expect(
                lines(output).map { $0.dropFirst("\(CrashTests.anyTime) INFO program: ".count) }
                    == (0..<count).map { "line \($0)" })
            #expect(
                error.dropFirst(CrashTests.anyTime.count)
                    == " CRITICAL asynclog: crashed: SIGABRT signal=SIGABRT signal_number=6 unwritten=0 undelivered=0\n"
            )
        }
    }

    @Test("a thread that crashes loses nothing of what it has just logged, if the loop is well")
    func strangersCrash() throws {
        let lines = try lines(crash("stranger", "text").output)
        #expect(
            lines.dropLast().map { $0.dropFirst("\(CrashTests.anyTime) INFO program: ".count) }
                == (0..<1000).map { "line \($0)" })
        #expect(try #require(lines.last).hasSuffix("unwritten=0 undelivered=0"))
    }

    @Test("records of other threads that the crashing loop has not seen are counted in the last line")
    func undelivered() throws {
        for format in ["text", "json", "logfmt", "console"] {
            let lines = try lines(crash("undelivered", format).output)
            #expect(
                lines.count == 1
                    && lines[0].contains(format == "json" ? "\"undelivered\":5}" : "unwritten=0 undelivered=5"),
                "\(lines)")
        }
        #expect(try crash("undelivered", "msgpack").output.suffix(5) == [0xCE, 0, 0, 0, 5])
    }

    @Test("records that wait for room are counted in the last line, and what is in the buffer is written")
    func unwritten() throws {
        let lines = try lines(crash("unwritten", "small").output)
        #expect(try #require(lines.last).hasSuffix("signal_number=6 unwritten=5 undelivered=0"), "\(lines.last ?? "")")
        // What was in the pipe, then what was in the buffer, and nothing twice.
        #expect(lines.count > 1000)
        #expect(Array(lines.dropLast()) == (1..<max(lines.count, 1)).map { "\($0) filler" })
    }

    @Test("with the crash writer disabled, crashes are left alone")
    func quietCrash() throws {
        for format in ["standard", "text"] {
            let (output, error, end) = try crash("quietly", format)
            #expect(end == .signalled(SIGABRT))
            #expect(output.isEmpty && error.isEmpty)
        }
    }

    /// The tests, and with them the programs, are built with a sanitizer.
    private var isSanitized: Bool { (["__tsan_init", "__asan_init"] as [String]).contains { dlsym(nil, $0) != nil } }
}
