// What concerns a whole process: its standard streams, signals, and its end.
import Glibc
import TestSupport
import Testing

@Suite("A process and its standard streams")
struct ProcessTests {
    @Test("a reader that has gone ends neither the process nor its output elsewhere: no SIGPIPE")
    func brokenPipe() throws {
        let output = try Pipe()
        let error = try Pipe()
        output.closeReader()
        let child = try ChildProcess(
            "NonBlockingStdio", output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        let end = try child.wait()
        #expect(end != .signalled(SIGPIPE))
        #expect(text.contains("broken pipe (EPIPE)"), "standard error says: \(text)")
    }

    @Test("standard streams stay blocking for all other users, during and after", arguments: [false, true])
    func flags(onTerminal: Bool) throws {
        let pipe = try Pipe()
        let terminal = try Pseudoterminal()
        let writer = onTerminal ? terminal.slave : pipe.writer
        let before = fcntl(writer, F_GETFL)
        let child = try ChildProcess("NonBlockingStdio", output: .descriptor(writer), error: .descriptor(writer))
        #expect(try child.wait() == .exited(0))
        #expect(fcntl(writer, F_GETFL) == before)
        #expect(before & O_NONBLOCK == 0)
        terminal.closeSlave()
        let text = onTerminal ? readText(terminal.master) : String(decoding: pipe.readToEnd(), as: UTF8.self)
        for number in [1, 2] {
            #expect(text.contains("descriptor \(number): fcntl says blocking before, blocking after"))
        }
        #expect(text.components(of: "isBlocking: false") == 2)
    }

    @Test("a closed standard output is an error on standard error, and no descriptor of ours takes its number")
    func closedOutput() throws {
        let error = try Pipe()
        let child = try ChildProcess("NonBlockingStdio", output: .closed, error: .descriptor(error.writer))
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        try child.wait()  // the program throws the error that its flush got
        #expect(text.contains("bad file descriptor (EBADF)"), "standard error says: \(text)")
    }

    @Test(
        "a descriptor that was never closed is closed with its last reference, wherever that goes, and reported; a borrowed one is not"
    )
    func leaks() throws {
        for (command, expected) in [("leak", "closed\nopen\n"), ("leak-elsewhere", "closed\n")] {
            let (output, error) = (try Pipe(), try Pipe())
            let child = try ChildProcess(
                "FDProgram", [command], output: .descriptor(output.writer), error: .descriptor(error.writer))
            #expect(try child.wait() == .exited(0))
            #expect(String(decoding: output.readToEnd(), as: UTF8.self) == expected)
            let report = String(decoding: error.readToEnd(), as: UTF8.self)
            #expect(report.components(of: "was never closed") == 1, "standard error says: \(report)")
        }
    }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(of part: String) -> Int {
        indices.reduce(0) { $0 + (self[$1...].hasPrefix(part) ? 1 : 0) }
    }
}
