// The first promise of the package, tried from outside: ten thousand tasks log to any kind of standard output, nothing
// blocks, nothing is lost, and no other process notices.
import Glibc
import TestSupport
import Testing

@Suite("HelloLog, as a child process")
struct HelloLogTests {
    /// Runs HelloLog with standard output and standard error as pipes, and reads both.
    private func run(_ arguments: [String]) throws -> (output: String, error: String, end: ChildProcess.End) {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "HelloLog", arguments, output: .descriptor(output.writer), error: .descriptor(error.writer))
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        return (text, String(decoding: error.readToEnd(), as: UTF8.self), try child.wait())
    }

    private func checkLines(_ text: String, count: Int = 10_000, sourceLocation: SourceLocation = #_sourceLocation) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == count, sourceLocation: sourceLocation)
        #expect(
            lines.allSatisfy { $0.hasSuffix("Z INFO hello: Hello world !") }, "a line is torn",
            sourceLocation: sourceLocation)
        let times = lines.map { $0.prefix(27) }
        #expect(times == times.sorted(), "the lines are out of order", sourceLocation: sourceLocation)
    }

    /// A number that `--stats` has printed.
    private func statistic(_ name: String, in text: String) throws -> Int {
        let value = try #require(text.range(of: "\"\(name)\": ")).upperBound
        return try #require(Int(text[value...].prefix { $0.isNumber }))
    }

    // MARK: Every kind of standard output

    @Test(
        "to a pipe: all lines, whole and in order, on one thread, with few system calls", arguments: [[], ["--print"]])
    func pipe(mode: [String]) throws {
        let (output, error, end) = try run(["--stats"] + mode)
        #expect(end == .exited(0))
        if mode.isEmpty {
            checkLines(output)
        } else {
            #expect(output == String(repeating: "Hello world !\n", count: 10_000))
        }
        #expect(try statistic("accepted", in: error) == 10_000)
        #expect(try statistic("written", in: error) == 10_000)
        #expect(try statistic("dropped", in: error) == 0)
        #expect(try statistic("threads", in: error) == 1)
        #expect(try statistic("write_calls", in: error) <= 40)
    }

    @Test("to a file: all lines, whole and in order")
    func file() throws {
        let path = try temporaryFile()
        defer { unlink(path) }
        let child = try ChildProcess("HelloLog", output: .path(path, flags: O_WRONLY | O_TRUNC))
        #expect(try child.wait() == .exited(0))
        checkLines(try contents(path))
    }

    @Test("beside other writers of the same file: their bytes and ours are all there, in order")
    func neighbours() throws {
        let path = try temporaryFile()
        defer { unlink(path) }
        let script = "(echo a; \"$1\" --tasks 1000; echo z) > \"$2\""
        let shell = try ChildProcess("/bin/sh", ["-c", script, "sh", ChildProcess.path(of: "HelloLog"), path])
        #expect(try shell.wait() == .exited(0))
        let text = try contents(path)
        #expect(text.hasPrefix("a\n") && text.hasSuffix("\nz\n"))
        checkLines(String(text.dropFirst(2).dropLast(2)), count: 1000)
    }

    @Test("Swift's print and the logger share a file without overwriting each other")
    func mixedWithPrint() throws {
        let path = try temporaryFile()
        defer { unlink(path) }
        let child = try ChildProcess("LogProgram", ["mixed", "500"], output: .path(path, flags: O_WRONLY | O_APPEND))
        #expect(try child.wait() == .exited(0))
        let lines = try contents(path).split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("print ") } == (0..<500).map { "print \($0)" })
        #expect(
            lines.filter { $0.contains(" log ") }.map { $0.suffix(from: $0.range(of: "log ")!.lowerBound) }
                == (0..<500).map { "log \($0)" })
    }

    @Test("to /dev/null: the program ends, and nothing is dropped")
    func null() throws {
        let child = try ChildProcess("HelloLog")
        #expect(try child.wait() == .exited(0))
    }

    @Test("to a socket: all lines, whole and in order")
    func socket() throws {
        var ends: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { close(ends[0]) }
        let child = try ChildProcess("HelloLog", output: .descriptor(ends[1]))
        close(ends[1])
        checkLines(readText(ends[0]))
        #expect(try child.wait() == .exited(0))
    }

    @Test("to a terminal: all lines, whole and in order, and the terminal's flags are left alone")
    func terminal() throws {
        let terminal = try Pseudoterminal()
        let before = fcntl(terminal.slave, F_GETFL)
        let child = try ChildProcess("HelloLog", output: .descriptor(terminal.slave))
        // A terminal has no end of stream while a process holds it open, and the test does: count the lines instead.
        var text = ""
        var lines = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while lines < 10_000 {
            let count = read(terminal.master, &buffer, buffer.count)
            try #require(count > 0)
            lines += buffer[..<count].count { $0 == UInt8(ascii: "\n") }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        checkLines(text)
        #expect(try child.wait() == .exited(0))
        #expect(fcntl(terminal.slave, F_GETFL) == before)
    }

    // MARK: The shared descriptors as other processes see them

    @Test(
        "the flags of the shared descriptors are the same before, during and after, also after SIGKILL",
        arguments: ["pipe", "socket"])
    func flagsAreNotTouched(kind: String) throws {
        var ends: [CInt] = [-1, -1]
        try #require(
            (kind == "pipe" ? Glibc.pipe(&ends) : socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)) == 0)
        defer { ends.forEach { close($0) } }
        let error = try Pipe()
        let before = fcntl(ends[1], F_GETFL)
        let child = try ChildProcess(
            "LogProgram", ["hang"], input: .descriptor(ends[1]), output: .descriptor(ends[1]),
            error: .descriptor(error.writer))
        error.closeWriter()
        var byte: UInt8 = 0
        try #require(read(error.reader, &byte, 1) == 1, "the child has not started")
        #expect(fcntl(ends[1], F_GETFL) == before)
        child.signal(SIGKILL)
        #expect(try child.wait() == .signalled(SIGKILL))
        #expect(fcntl(ends[1], F_GETFL) == before)
    }

    @Test("NonBlockingStdio reports that it does not block, and that fcntl sees no difference")
    func nonBlockingStdio() throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "NonBlockingStdio", output: .descriptor(output.writer), error: .descriptor(error.writer))
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        #expect(String(decoding: error.readToEnd(), as: UTF8.self) == "Hello stderr !\n")
        #expect(
            text == """
                Hello stdout !
                standard output: isBlocking: false
                standard error: isBlocking: false
                descriptor 1: fcntl says blocking before, blocking after
                descriptor 2: fcntl says blocking before, blocking after

                """)
    }

    // MARK: When standard output takes nothing

    @Test(
        "standard output that fails ends the program by itself, with one line that states how much was lost and why",
        arguments: [[], ["--print"]])
    func failingOutput(mode: [String]) throws {
        for (stream, reason) in [
            (ChildProcess.Stream.closed, "EBADF"), (.path("/dev/full", flags: O_WRONLY), "ENOSPC"),
        ] {
            let error = try Pipe()
            let child = try ChildProcess("HelloLog", mode, output: stream, error: .descriptor(error.writer))
            let text = String(decoding: error.readToEnd(), as: UTF8.self)
            #expect(try child.wait() == .exited(1))
            #expect(text.split(separator: "\n").count == 1, "\(text)")
            #expect(
                text.contains("10000 of 10000") && text.contains("standard output") && text.contains(reason), "\(text)")
        }
    }

    @Test(
        "a reader that goes away after one line (head -1) is reported; SIGPIPE does not kill the program",
        arguments: [[], ["--print"]])
    func vanishingReader(mode: [String]) throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "HelloLog", ["--stats"] + mode, output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        var byte: UInt8 = 0
        try #require(read(output.reader, &byte, 1) == 1)
        output.closeReader()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(1))
        #expect(text.contains("EPIPE"), "\(text)")
        #expect(try statistic("written", in: text) + statistic("dropped", in: text) == 10_000)
    }

    @Test(
        "a reader that starts late gets everything, and the program waits for it without a thread and without spinning")
    func lateReader() throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "HelloLog", ["--stats"], output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        // The child runs until the pipe is full; then it sleeps in the kernel, and only then the test reads.
        while output.readableBytes < 60_000 || state(of: child.pid) != "S" { sched_yield() }
        checkLines(readText(output.reader))
        let text = readText(error.reader)
        #expect(try child.wait() == .exited(0))
        #expect(try statistic("threads", in: text) == 1)
        #expect(try statistic("write_calls", in: text) <= 40)
    }

    /// The state of the process in the kernel: `R` runs, `S` sleeps (proc(5)).
    private func state(of pid: pid_t) -> Character? {
        guard let text = try? contents("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).first
    }

    @Test("an idle loop is woken by nothing but its timer")
    func idle() throws {
        let output = try Pipe()
        let child = try ChildProcess("LogProgram", ["idle", "200"], output: .descriptor(output.writer))
        let turns = try #require(Int(String(decoding: output.readToEnd(), as: UTF8.self).dropLast()))
        #expect(try child.wait() == .exited(0))
        #expect(turns <= 10, "the loop turned \(turns) times in 200 ms in which there was nothing to do")
    }

    @Test("300,000 tasks at once lose nothing")
    func manyTasks() throws {
        let (output, error, end) = try run(["--stats", "--tasks", "300000"])
        #expect(end == .exited(0))
        #expect(output.utf8.count { $0 == UInt8(ascii: "\n") } == 300_000)
        #expect(try statistic("written", in: error) == 300_000)
    }

    @Test(
        "a task that logs more than the buffer holds waits for room, and is woken every time",
        arguments: ["pipe", "file"])
    func backPressure(kind: String) throws {
        let count = 200_000
        let path = try temporaryFile()
        defer { unlink(path) }
        let pipe = try Pipe()
        let output = kind == "pipe" ? ChildProcess.Stream.descriptor(pipe.writer) : .path(path, flags: O_WRONLY)
        let child = try ChildProcess("LogProgram", ["flood", "\(count)"], output: output)
        let read = pipe.readToEnd()
        #expect(try child.wait() == .exited(0))
        let text = kind == "pipe" ? String(decoding: read, as: UTF8.self) : try contents(path)
        let numbers = text.utf8.split(separator: UInt8(ascii: "\n")).map {
            Int(Substring($0.dropFirst("2026-11-22T08:27:00.123456Z INFO program: line ".utf8.count)))
        }
        #expect(numbers == (0..<count).map { $0 })
    }

    @Test("records of other threads arrive, each thread's in its order")
    func threads() throws {
        let output = try Pipe()
        let child = try ChildProcess("LogProgram", ["threads", "1000"], output: .descriptor(output.writer))
        let lines = String(decoding: output.readToEnd(), as: UTF8.self).split(separator: "\n")
        #expect(try child.wait() == .exited(0))
        for thread in 0..<4 {
            let own = lines.filter { $0.contains("thread \(thread) ") }.compactMap {
                Int($0.split(separator: " ").last ?? "")
            }
            #expect(own == Array(0..<1000))
        }
    }

    @Test("below warning to standard output, the rest to standard error")
    func split() throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "LogProgram", ["split"], output: .descriptor(output.writer), error: .descriptor(error.writer))
        #expect(String(decoding: output.readToEnd(), as: UTF8.self).hasSuffix("INFO program: to standard output\n"))
        #expect(String(decoding: error.readToEnd(), as: UTF8.self).hasSuffix("ERROR program: to standard error\n"))
        #expect(try child.wait() == .exited(0))
    }

    @Test(
        "on the main thread the loop runs everything: tasks, detached tasks, groups, the main actor and sleep, on one thread"
    )
    func executors() throws {
        let output = try Pipe()
        let child = try ChildProcess("LogProgram", ["executors"], output: .descriptor(output.writer))
        let lines = String(decoding: output.readToEnd(), as: UTF8.self).split(separator: "\n")
        #expect(try child.wait() == .exited(0))
        #expect(lines.last == "threads 1")
        #expect(lines.dropLast().count == 7)
        #expect(Set(lines.dropLast().compactMap { $0.split(separator: " ").last }).count == 1)
    }

    // MARK: Files

    private func temporaryFile() throws -> String {
        var template = Array("/tmp/hellolog-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        close(descriptor)
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func contents(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY)
        try #require(descriptor >= 0, "\(path)")
        defer { close(descriptor) }
        return readText(descriptor)
    }
}

extension String {
    fileprivate func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}
