// How programs begin and end: what was logged is not lost, whichever way it is.
import Glibc
import TestSupport
import Testing

@Suite("The end of a program, as a child process")
struct EndingTests {
    @Test(
        "what was logged goes out however the program ends",
        arguments: [
            ("forget", ChildProcess.End.exited(0), 3), ("exit-in-task", .exited(7), 3), ("exit-in-thread", .exited(8), 3),
            ("before-loop", .exited(0), 9),
            ("no-loop", .exited(0), 3), ("no-loop-exit", .exited(9), 3), ("no-loop-abort", .signalled(SIGABRT), 3),
        ])
    func endings(way: String, end: ChildProcess.End, lines: Int) throws {
        for kind in ["pipe", "file"] {
            let folder = try TemporaryFolder()
            let path = folder.file("out")
            let pipe = try Pipe()
            let output = kind == "pipe" ? ChildProcess.Stream.descriptor(pipe.writer) : .path(path, flags: O_WRONLY | O_CREAT)
            let child = try ChildProcess("LogProgram", [way], output: output)
            let read = pipe.readToEnd()
            // Less than the patience with which a loop that ends waits for a descriptor that takes nothing.
            #expect(try child.wait(limit: 25) == end, "\(kind)")
            let text = kind == "pipe" ? String(decoding: read, as: UTF8.self) : try readText(path: path)
            let messages = text.split(separator: "\n").map { String($0.suffix(6)) }
            #expect(messages == (0..<lines).map { "line \($0 % 3)" }, "\(kind)")
        }
    }

    @Test("a loop that has ended leaves nothing behind, though a logger and a print lived on it")
    func loopsLeaveNothingBehind() throws {
        let error = try Pipe()
        let child = try ChildProcess("LogProgram", ["loops"], error: .descriptor(error.writer))
        #expect(String(decoding: error.readToEnd(), as: UTF8.self) == "descriptors left behind: 0\n")
        #expect(try child.wait() == .exited(0))
    }
}
