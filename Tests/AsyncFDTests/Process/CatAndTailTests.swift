// The examples Cat and Tail do what cat(1) and tail(1) do where it is easy to do otherwise.
import Glibc
import TestSupport
import Testing

@Suite("Cat and Tail")
struct CatAndTailTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String, to path: String, _ flags: CInt) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o600)
        guard file >= 0 else { throw SystemError(operation: "open \(path)", errno: errno) }
        defer { close(file) }
        let bytes = Array(text.utf8)
        guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
            throw SystemError(operation: "write \(path)", errno: errno)
        }
    }

    @Test("a file that is appended to itself does not grow without end")
    func catToItself() throws {
        let path = folder.file("x")
        try write("one\n", to: path, 0)
        let error = try Pipe()
        let child = try ChildProcess(
            "Cat", [path], output: .path(path, flags: O_WRONLY | O_APPEND), error: .descriptor(error.writer))
        let end = try child.wait(limit: 10)
        #expect(end == .exited(1))
        #expect(String(decoding: error.readToEnd(), as: UTF8.self) == "Cat: \(path): input file is output file\n")
        #expect(try readText(path: path) == "one\n")
    }

    @Test("an empty file may be appended to itself, and another file to this one")
    func catToAnother() throws {
        let (path, other) = (folder.file("x"), folder.file("y"))
        try write("", to: path, 0)
        try write("two\n", to: other, 0)
        #expect(
            try ChildProcess("Cat", [path, other], output: .path(path, flags: O_WRONLY | O_APPEND)).wait(limit: 10)
                == .exited(0))
        #expect(try readText(path: path) == "two\n")
    }

    @Test("without a reader Cat ends by SIGPIPE, and says nothing")
    func catWithoutReader() throws {
        let (output, error) = (try Pipe(), try Pipe())
        output.closeReader()
        try write("one\n", to: folder.file("x"), 0)
        let child = try ChildProcess(
            "Cat", [folder.file("x")], output: .descriptor(output.writer), error: .descriptor(error.writer))
        #expect(try child.wait() == .signalled(SIGPIPE))
        #expect(error.readToEnd() == [])
    }

    @Test("Tail shows what was written to a file right before another one took its name")
    func tailThroughRotations() throws {
        let path = folder.file("log")
        try write("0\n", to: path, 0)
        let output = try Pipe()
        let child = try ChildProcess("Tail", [path], output: .descriptor(output.writer), error: .null)
        output.closeWriter()
        var random = SeededGenerator(state: 30)
        var expected = "0\n"
        var shown = ""
        func show(_ count: Int) throws {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while shown.utf8.count < count {
                var request = pollfd(fd: output.reader, events: Int16(POLLIN), revents: 0)
                guard poll(&request, 1, 10_000) == 1 else {
                    throw SystemError(operation: "wait for Tail", errno: ETIMEDOUT)
                }
                let size = read(output.reader, &buffer, buffer.count)
                guard size > 0 else { throw SystemError(operation: "read", errno: errno) }
                shown += String(decoding: buffer[..<size], as: UTF8.self)
            }
        }
        defer { child.signal(SIGKILL) }
        try show(2)
        for round in 0..<150 {
            // The first line wakes Tail up; the second comes at some moment of its look, and then the file is gone.
            try write("\(round) first\n", to: path, O_APPEND)
            for _ in 0..<Int.random(in: 0..<20_000, using: &random) { _ = getpid() }
            try write("\(round) last\n", to: path, O_APPEND)
            rename(path, path + ".1")
            try write("\(round) new\n", to: path, O_EXCL)
            expected += "\(round) first\n\(round) last\n\(round) new\n"
            // The next rotation waits until Tail has come to the new file, so that none is skipped.
            do { try show(expected.utf8.count) } catch {
                Issue.record("round \(round): \(error), the last lines are \(shown.suffix(60))")
                break
            }
        }
        #expect(shown == expected)
    }
}
