// A program may use the libraries before `EventLoop.run`, after it, or never call it: everything works, and nothing
// waits for ever.
import Glibc
import TestSupport
import Testing

@Suite("Without run, before it and after it, as a child process")
struct WithoutRunTests {
    /// Runs a scenario of `WithoutRun`; returns its lines on standard error.
    private func run(_ way: String, output: ChildProcess.Stream = .null, folder: TemporaryFolder? = nil) throws -> Set<
        String
    > {
        let error = try Pipe()
        let child = try ChildProcess(
            "LogProgram", ["without-run", way, folder?.path ?? ""], output: output, error: .descriptor(error.writer))
        error.closeWriter()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        return Set(text.split(separator: "\n").map(String.init))
    }

    @Test("without run, tasks that flush, ask the ledger, print and shut down at the same time all end")
    func tasks() throws {
        for _ in 0..<20 {
            #expect(try run("tasks") == ["flush: done", "ledger: done", "print: done", "shutdown: done"])
        }
    }

    @Test("without run, everything that needs a loop finds one")
    func everything() throws {
        let folder = try TemporaryFolder()
        #expect(
            try run("everything", folder: folder)
                == ["open: done", "offload: done", "handler: done", "pipe: done", "connection: done", "sleep: done"])
        #expect(try readText(path: folder.file("file")) == "text")
        #expect(try readText(path: folder.file("app.log")).hasSuffix("logged\n"))
    }

    @Test(
        "a reader of standard output that has stopped holds up neither a plain call without run nor run itself, which takes over a busy loop",
        arguments: [("stalled", "all calls have returned"), ("take-over", "taken over")])
    func stalled(way: String, expected: String) throws {
        let (output, error) = (try Pipe(), try Pipe())
        let child = try ChildProcess(
            "LogProgram", ["without-run", way], output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        var said = [UInt8](repeating: 0, count: expected.utf8.count)
        // Nothing has been read from standard output yet.
        #expect(
            read(error.reader, &said, said.count) == said.count && String(decoding: said, as: UTF8.self) == expected)
        let lines = output.readToEnd().count { $0 == UInt8(ascii: "\n") }
        #expect(lines > 100)
        #expect(try child.wait() == .exited(0))
    }

    @Test("an awaited call without run waits for room, as it does within run: its record is not dropped")
    func awaited() throws {
        let (output, error) = (try Pipe(), try Pipe())
        let child = try ChildProcess(
            "LogProgram", ["without-run", "awaited"], output: .descriptor(output.writer),
            error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        var said = [UInt8](repeating: 0, count: 5)
        // Nothing has been read from standard output yet.
        #expect(
            read(error.reader, &said, said.count) == said.count && String(decoding: said, as: UTF8.self) == "full\n")
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        #expect(text.split(separator: "\n").count { $0.hasSuffix("awaited") } == 50)
        #expect(String(decoding: error.readToEnd(), as: UTF8.self) == "dropped: 0, balances: true\nawaited: done\n")
        #expect(try child.wait() == .exited(0))
    }

    @Test("without run, a handler's figures are read on its loop's thread, and balance while records come")
    func figures() throws { #expect(try run("figures") == ["log: done", "figures: done"]) }

    @Test("the loop changes hands again and again, between run and a busy stand-in")
    func changingHands() throws { #expect(try run("change-hands") == ["done"]) }

    @Test("a file handler made before run listens to SIGHUP: it opens the file again, and the signal does not kill")
    func hangUp() throws {
        let folder = try TemporaryFolder()
        #expect(try run("hang-up", folder: folder) == [])
        #expect(try readText(path: folder.file("app.log.1")).hasSuffix("before\n"))
        #expect(try readText(path: folder.file("app.log")).hasSuffix("after\n"))
    }

    @Test("a record logged from a handler of atexit that is older than the logger is written")
    func atExit() throws {
        for _ in 0..<20 {
            let output = try Pipe()
            #expect(try run("at-exit", output: .descriptor(output.writer)) == [])
            output.closeWriter()
            let lines = String(decoding: output.readToEnd(), as: UTF8.self).split(separator: "\n")
            #expect(lines.count == 2 && lines.last?.hasSuffix("at the very end") == true)
        }
    }

    @Test(
        "threads that log without an end do not keep the process from ending; what was logged before the end is written"
    )
    func exitUnderLoad() throws {
        let folder = try TemporaryFolder()
        let file = open(folder.file("log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        #expect(try run("exit-under-load", output: .descriptor(file)) == [])
        close(file)
        #expect(
            try readText(path: folder.file("log")).split(separator: "\n").first?.hasSuffix("before the end") == true)
    }

    @Test(
        "threads that log without an end do not keep run from returning, and the books balance afterwards",
        arguments: ["output", "file", "spool", "socket"])
    func returnUnderLoad(to destination: String) throws {
        let folder = try TemporaryFolder()
        let output = open(folder.file("output"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(output) }
        let said = try run("return-under-load-" + destination, output: .descriptor(output), folder: folder)
        // Without a server, and without a spool on disk, records wait in memory.
        let pending = destination == "socket" ? "" : "pending: 0, "
        let books = try #require(said.first { $0.hasPrefix("balances: true, " + pending) })
        // Without a server the trouble is reported, and each end reports once what it gives up.
        #expect(said.count <= (["socket", "spool"].contains(destination) ? 12 : 1))
        guard destination == "output" else { return }
        let lines = try readText(path: folder.file("output")).split(separator: "\n")
        let records = lines.count { $0.contains(" INFO app: ") }
        #expect(books.hasSuffix("written: \(records)"))
        #expect(lines.first?.hasSuffix("before the end") == true)
    }

    @Test("a task that is alive when run returns goes on, and a wait for it ends")
    func afterRun() throws { #expect(try run("after-run") == ["task: done"]) }

    @Test("a job of the main actor that comes between two runs runs in the second, on the main thread")
    func mainActor() throws { #expect(try run("main-actor") == ["on the main thread: true"]) }

    @Test(
        "a run without a clock does not go on with the clock of the run before; a sleep keeps the time that it had left"
    )
    func clocks() throws { #expect(try run("clock") == ["long enough: true"]) }
}
