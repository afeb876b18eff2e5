// How programs begin and end: what was logged is not lost, whichever way it is.
import Glibc
import TestSupport
import Testing

@Suite("The end of a program, as a child process")
struct EndingTests {
    @Test(
        "what was logged goes out however the program ends",
        arguments: [
            ("forget", ChildProcess.End.exited(0), 3), ("exit-in-task", .exited(7), 3),
            ("exit-in-thread", .exited(8), 3),
            ("before-loop", .exited(0), 9),
            ("no-loop", .exited(0), 3), ("no-loop-exit", .exited(9), 3), ("no-loop-abort", .signalled(SIGABRT), 3),
        ])
    func endings(way: String, end: ChildProcess.End, lines: Int) throws {
        for kind in ["pipe", "file"] {
            let folder = try TemporaryFolder()
            let path = folder.file("out")
            let pipe = try Pipe()
            let output =
                kind == "pipe" ? ChildProcess.Stream.descriptor(pipe.writer) : .path(path, flags: O_WRONLY | O_CREAT)
            let child = try ChildProcess("LogProgram", [way], output: output)
            let read = pipe.readToEnd()
            // Less than the timeout with which a loop that ends waits for a descriptor that takes nothing.
            #expect(try child.wait(limit: 25) == end, "\(kind)")
            let text = kind == "pipe" ? String(decoding: read, as: UTF8.self) : try readText(path: path)
            let messages = text.split(separator: "\n").map { String($0.suffix(6)) }
            #expect(messages == (0..<lines).map { "line \($0 % 3)" }, "\(kind)")
        }
    }

    @Test("a forked child may let go of its parent's loggers, files and watches, and the parent goes on with them")
    func forkedChild() throws {
        let folder = try TemporaryFolder()
        let error = try Pipe()
        let child = try ChildProcess("LogProgram", ["fork", folder.path], error: .descriptor(error.writer))
        error.closeWriter()
        #expect(readText(error.reader) == "")
        #expect(try child.wait() == .exited(0))
        let lines = try readText(path: folder.file("own.log")).split(separator: "\n")
        #expect(lines.map { $0.hasSuffix("from the parent") } == [true, false])
        #expect(lines.last?.hasSuffix("child exited with 0") == true)
    }

    @Test("records that wait for room when the program calls exit() go out, too, in order")
    func exitWhileTasksWait() throws {
        let output = try Pipe()
        let error = try Pipe()
        let child = try ChildProcess(
            "LogProgram", ["crash", "exit-waiting", "small"], output: .descriptor(output.writer),
            error: .descriptor(error.writer))
        output.closeWriter()
        var word = [UInt8](repeating: 0, count: 5)
        #expect(read(error.reader, &word, 5) == 5 && word == Array("full\n".utf8))
        let lines = String(decoding: output.readToEnd(), as: UTF8.self).split(separator: "\n")
        #expect(try child.wait() == .exited(7))
        let isRecord = lines.map { !$0.contains("dropped") }
        #expect(isRecord.count { !$0 } == 1)  // the one for which there was no room
        #expect(
            zip(lines, isRecord).compactMap { $1 ? $0.split(separator: " ").last : nil }.suffix(6) == ["filler"]
                + Array(repeating: "waits", count: 5)
        )
    }

    @Test("a loop that has ended leaves nothing behind, though a logger and a print lived on it")
    func loopsLeaveNothingBehind() throws {
        let error = try Pipe()
        let child = try ChildProcess("LogProgram", ["loops"], error: .descriptor(error.writer))
        #expect(String(decoding: error.readToEnd(), as: UTF8.self) == "descriptors left behind: 0\n")
        #expect(try child.wait() == .exited(0))
    }
}
