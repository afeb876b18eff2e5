// What happens to a log when a signal is survived, when a descriptor's number belongs to another file, when the program
// forks, and when the crash comes at a bad moment.
import Glibc
import TestSupport
import Testing

@Suite("Signals, descriptors and forks, as child processes")
struct SurvivalTests {
    private struct Outcome {
        let lines: [String]
        let error: String
        let end: ChildProcess.End

        /// The messages without the last line of a crash.
        var messages: [Substring] {
            lines.filter { !$0.contains("crashed: ") }.map { $0.drop { $0 != " " }.dropFirst() }
        }
        var crashes: [String] { lines.filter { $0.contains("crashed: ") } }
    }

    /// Runs `LogProgram hazard …` with its output in a pipe, or in a file.
    private func meet(_ words: [String], output path: String? = nil, limit: Double = 30) throws -> Outcome {
        let output = try Pipe()
        let error = try Pipe()
        let stream = path.map { ChildProcess.Stream.path($0, flags: O_WRONLY | O_CREAT) } ?? .descriptor(output.writer)
        let child = try ChildProcess("LogProgram", ["hazard"] + words, output: stream, error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        let watch = try ChildWatch(child, limit)
        let bytes = output.readToEnd()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        let end = try watch.end()
        let log = String(decoding: try path.map { try readAll(path: $0) } ?? bytes, as: UTF8.self)
        return Outcome(lines: log.split(separator: "\n").map(String.init), error: text, end: end)
    }

    /// Waits for the end of a child on another thread, and kills one that hangs: a test that reads from it ends, too.
    private final class ChildWatch: @unchecked Sendable {
        // Unchecked: written by the thread before the semaphore is posted, read after it has been waited for.
        private var result: Result<ChildProcess.End, any Error>?
        private let child: ChildProcess
        private let limit: Double
        private let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init(_ child: ChildProcess, _ limit: Double) throws {
            self.child = child
            self.limit = limit
            sem_init(done, 0, 0)
            detachThread { [self] in
                result = Result { try self.child.wait(limit: self.limit) }
                sem_post(done)
            }
        }

        deinit { done.deallocate() }

        func end() throws -> ChildProcess.End {
            sem_wait(done)
            return try result!.get()
        }
    }

    private func info(_ lines: Range<Int>) -> [String] { lines.map { "INFO program: line \($0)" } }

    // MARK: Signals that are survived

    @Test(
        "a signal that the program's own handler survives: life goes on, all is written once, and the log speaks of no crash",
        arguments: [SIGTRAP, SIGSEGV, SIGFPE], ["loop", "thread"])
    func survived(signal: CInt, place: String) throws {
        let folder = try TemporaryFolder()
        for path in [nil, folder.file("out")] {
            let outcome = try meet(["survive", "\(signal)", place, "jumps"], output: path)
            #expect(outcome.end == .exited(0))
            #expect(outcome.crashes.isEmpty, "\(outcome.crashes)")
            #expect(outcome.messages.map(String.init) == info(0..<2003))
        }
    }

    @Test("a signal whose handler merely returns is survived like one whose handler jumps")
    func returned() throws {
        let outcome = try meet(["survive", "\(SIGFPE)", "loop", "returns"])
        #expect(outcome.end == .exited(0) && outcome.crashes.isEmpty)
        #expect(outcome.messages.map(String.init) == info(0..<2003))
    }

    @Test(
        "another's handler gets the cause and the context of the crash itself; then the log has its last line, and the signal ends the process",
        arguments: ["loop", "thread"])
    func cause(place: String) throws {
        let outcome = try meet(["cause", "\(SIGSEGV)", place])
        #expect(outcome.error == "code=1 address=0x8 here=1\n")
        #expect(outcome.end == .signalled(SIGSEGV))
        #expect(outcome.messages.map(String.init) == info(0..<1000))
        #expect(outcome.crashes.count == 1 && outcome.lines.last == outcome.crashes.last)
    }

    @Test("another's handler that ends the process itself finds the records written")
    func ended() throws {
        let outcome = try meet(["ended"])
        #expect(outcome.end == .exited(42))
        #expect(outcome.messages.map(String.init) == info(0..<1000))
    }

    // MARK: Descriptors whose numbers belong to other files

    @Test(
        "a number that has become a stranger's is not written to by a crash, whether or not a write has failed meanwhile",
        arguments: ["noticed", "unnoticed", "closed"])
    func replaced(how: String) throws {
        let folder = try TemporaryFolder()
        let stranger = folder.file("database")
        let outcome = try meet(["replaced", how, stranger])
        #expect(outcome.end == .signalled(SIGABRT))
        #expect(outcome.messages.map(String.init) == ["INFO program: before"])
        #expect(try readAll(path: stranger).isEmpty)
    }

    @Test("a file system that refuses to write without waiting loses nothing in a crash")
    func refused() throws {
        let folder = try TemporaryFolder()
        let outcome = try meet(["refused"], output: folder.file("out"))
        if outcome.end == .exited(77) { return }  // no seccomp to be had
        #expect(outcome.end == .signalled(SIGABRT))
        #expect(outcome.messages.map(String.init) == info(0..<1000))
        #expect(outcome.crashes.count == 1)
    }

    // MARK: Bad moments

    @Test(
        "SIGSEGV from outside, between the write of a pipe and the note of it: nothing twice, nothing missing",
        arguments: [1, 2, 5])
    func signalAfterWrite(times: Int) throws {
        let outcome = try meet(["written", "\(times)"])
        if outcome.end == .exited(255) { return }  // may not be traced here
        #expect(outcome.end == .exited(SIGSEGV))
        #expect(outcome.messages.count > 100)
        #expect(outcome.messages.map(String.init) == info(0..<outcome.messages.count))
        #expect(outcome.crashes.count == 1 && outcome.lines.last == outcome.crashes.last)
    }

    @Test(
        "another thread crashes while the loop writes to a file: a beginning without gaps, and a last line",
        arguments: 0..<20)
    func race(round: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        let outcome = try meet(["race", path, "\(3000 + round * 1009)"])
        #expect(outcome.end == .signalled(SIGSEGV))
        let lines = String(decoding: try readAll(path: path), as: UTF8.self).split(separator: "\n")
        #expect(lines.last?.hasPrefix("crashed: SIGSEGV") == true)
        #expect(lines.dropLast().map(String.init) == (0..<max(0, lines.count - 1)).map { "line \($0)" })
    }

    // MARK: Stacks

    @Test(
        "a stack that overflows has a last line wherever our code runs",
        arguments: ["thread", "silent", "maker", "offload", "nested", "main", "task"])
    func overflow(place: String) throws {
        // A sanitizer guards the stack in its own way.
        if isSanitized { return }
        let outcome = try meet(["overflow", place])
        #expect(outcome.end == .signalled(SIGSEGV))
        #expect(outcome.messages.map(String.init) == info(0..<1))
        #expect(outcome.crashes.count == 1)
    }

    // MARK: Forks

    @Test("a forked child that crashes writes nothing of its parent's, and no line about itself")
    func forkedCrash() throws {
        let outcome = try meet(["fork", "crash"])
        #expect(outcome.end == .exited(0) && outcome.crashes.isEmpty)
        #expect(outcome.messages.map(String.init) == info(0..<100) + ["INFO program: child \(SIGABRT)"])
    }

    @Test(
        "what a forked child logs to its parent's handlers is dropped, and it is said once on standard error what to do",
        arguments: ["logs", "waits", "beside-logs", "beside-waits"])
    func forkedLog(how: String) throws {
        let outcome = try meet(["fork", how])
        #expect(outcome.end == .exited(0))
        #expect(outcome.messages.last == "INFO program: child \(5 << 8)")  // exited as it wanted to
        #expect(!outcome.lines.contains { $0.contains("from the child") })
        let said = outcome.error.split(separator: "\n")
        #expect(
            said.count == 1 && said.first?.hasPrefix("asynclog: what is logged to program is not written: ") == true,
            "\(outcome.error)")
        #expect(
            outcome.error.contains(
                "Make a logger with handlers of its own in the child, within EventLoop.run, or call execve"))
    }

    @Test("a flush in a forked child fails, ledger and shutdown return", arguments: ["flushes", "beside-flushes"])
    func forkedFlush(how: String) throws {
        let outcome = try meet(["fork", how])
        #expect(outcome.end == .exited(0) && outcome.messages.last == "INFO program: child \(5 << 8)")
        #expect(
            outcome.error.contains("flush the handlers of the process from which this one was forked"),
            "\(outcome.error)")
    }

    @Test("a forked child logs with handlers of its own", arguments: ["own", "beside-own"])
    func forkedOwn(how: String) throws {
        let outcome = try meet(["fork", how])
        #expect(outcome.end == .exited(0) && outcome.error.isEmpty, "\(outcome.error)")
        #expect(outcome.messages.filter { $0.hasPrefix("INFO child: ") } == (0..<3).map { "INFO child: line \($0)" })
        #expect(outcome.messages.last == "INFO program: child \(5 << 8)")
    }

    @Test(
        "a forked child that crashes writes what its own handlers have, and their last line",
        arguments: ["own-crash", "beside-own-crash"])
    func forkedOwnCrash(how: String) throws {
        let outcome = try meet(["fork", how])
        #expect(outcome.end == .exited(0) && outcome.crashes.count == 1)
        #expect(outcome.messages.filter { $0.hasPrefix("INFO child: ") } == (0..<3).map { "INFO child: line \($0)" })
        #expect(outcome.messages.last == "INFO program: child \(SIGABRT)")
        #expect(Set(outcome.lines).count == outcome.lines.count)
    }

    /// The tests, and with them the programs, are built with a sanitizer.
    private var isSanitized: Bool { (["__tsan_init", "__asan_init"] as [String]).contains { dlsym(nil, $0) != nil } }
}
