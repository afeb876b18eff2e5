// The ways of reading, and that none of them loses a byte to another.
import AsyncFD
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Ways of reading")
struct ReadingTests {
    /// Runs `body` with the reading end of a pipe that holds `text`, and ends there.
    private func withInput<Value: Sendable>(_ text: String, _ body: @escaping (AsyncFD) async throws -> Value) throws
        -> Value
    {
        let pipe = try TestSupport.Pipe()
        var text = text
        text.withUTF8 { _ = write(pipe.writer, $0.baseAddress, $0.count) }
        pipe.closeWriter()
        let reader = pipe.reader
        return try EventLoop.run { () async throws in
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: reader))
            let value = try await body(input)
            await input.close()
            return value
        }
    }

    @Test(
        "lines come without their ends, whatever those are, and the last one may have none",
        arguments: [
            ("a\nb\n", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("a\nb", ["a", "b"]),
            ("a\n\n\nb\n", ["a", "", "", "b"]), ("", []), ("\n", [""]),
            ("\r\n", [""]), ("a\rb\n", ["a\rb"]), ("a\r", ["a\r"]), ("grün\n", ["grün"]),
        ])
    func lines(text: String, expected: [String]) throws {
        let lines = try withInput(text) { (input) async throws in
            var lines: [String] = []
            for try await line in input.lines { lines.append(line) }
            return lines
        }
        #expect(lines == expected)
    }

    @Test("a line that arrives byte by byte is one line")
    func slowLine() throws {
        try EventLoop.run { () async throws in
            let channel = try Channel(.pipe)
            let input = channel.input()
            async let line = input.lines.makeAsyncIterator().next()
            for byte in Array("hello\r\n".utf8) {
                withUnsafePointer(to: byte) { _ = write(channel.writer, $0, 1) }
                await settle()
            }
            #expect(try await line == "hello")
        }
    }

    @Test("lines larger and smaller than any buffer")
    func manySizes() throws {
        try EventLoop.run { () async throws in
            let channel = try Channel(.pipe)
            let (output, input) = (channel.output(), channel.input())
            let expected = (0..<300).map {
                String(repeating: Character(UnicodeScalar(97 + UInt8($0 % 26))), count: $0 * $0 % 70_001)
            }
            async let writing: Void = {
                for line in expected { try await output.write(line + "\n") }
                channel.closeWriter()
            }()
            var lines: [String] = []
            for try await line in input.lines { lines.append(line) }
            try await writing
            #expect(lines == expected)
        }
    }

    @Test("a line beyond the limit is an error, and its bytes can still be read")
    func tooLong() throws {
        try withInput("ok\ntoo long\nnext\n") { (input) async throws in
            var lines: [String] = []
            let error = await failure { () throws(IOError) in
                for try await line in input.lines(maximumLength: 5) { lines.append(line) }
            }
            #expect(lines == ["ok"])
            #expect(error?.code == .tooLong)
            #expect(try await input.read(upTo: 9) == Array("too long\n".utf8))
            #expect(try await input.lines(maximumLength: 5).makeAsyncIterator().next() == "next")
        }
    }

    @Test("a line without end is refused once it is longer than the limit, not when memory is full")
    func endless() throws {
        try EventLoop.run { () async throws in
            let input = try await open("/dev/zero", .readOnly)
            let error = await failure { () throws(IOError) in
                _ = try await input.lines(maximumLength: 100_000).makeAsyncIterator().next()
            }
            #expect(error?.code == .tooLong)
            await input.close()
        }
    }

    @Test("bytes that are no text are repaired or refused, as the caller wishes")
    func invalidText() throws {
        let pipe = try TestSupport.Pipe()
        _ = write(pipe.writer, [0x61, 0xFF, 0x62, 0x0A, 0x63, 0x0A] as [UInt8], 6)
        _ = write(pipe.writer, [0x61, 0xFF, 0x62, 0x0A, 0x63, 0x0A] as [UInt8], 6)
        try EventLoop.run { () async throws in
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            let repaired = input.lines.makeAsyncIterator()
            #expect(try await repaired.next() == "a\u{FFFD}b")
            #expect(try await repaired.next() == "c")
            let strict = input.lines(invalidText: .fail).makeAsyncIterator()
            #expect(await failure { () throws(IOError) in _ = try await strict.next() }?.code == .invalidText)
            #expect(try await strict.next() == "c")
            await input.close()
        }
    }

    @Test("a loop over lines may be left and taken up again, and other ways of reading may come between")
    func leaving() throws {
        try withInput("one\ntwo\nthree\nfour rest") { (input) async throws in
            for try await line in input.lines {
                #expect(line == "one")
                break
            }
            #expect(try await input.read(exactly: 4) == Array("two\n".utf8))
            for try await byte in input.bytes {
                #expect(byte == UInt8(ascii: "t"))
                break
            }
            #expect(try await input.lines.makeAsyncIterator().next() == "hree")
            #expect(try await input.readToEnd(limit: 100) == Array("four rest".utf8))
            #expect(try await input.read(upTo: 10).isEmpty)
        }
    }

    @Test("all bytes, one by one")
    func bytes() throws {
        let text = String(decoding: pattern(50_000).map { $0 & 0x7F }, as: UTF8.self)
        let bytes = try withInput(text) { (input) async throws in
            var bytes: [UInt8] = []
            for try await byte in input.bytes { bytes.append(byte) }
            return bytes
        }
        #expect(bytes == Array(text.utf8))
    }

    @Test("exactly so many, or an error that leaves the stream as it was")
    func exactly() throws {
        try withInput("0123456789") { (input) async throws in
            #expect(try await input.read(exactly: 0).isEmpty)
            #expect(try await input.read(exactly: 4) == Array("0123".utf8))
            let error = await failure { () throws(IOError) in _ = try await input.read(exactly: 7) }
            #expect(error?.code == .endOfStream)
            #expect(try await input.read(exactly: 6) == Array("456789".utf8))
        }
    }

    @Test("a cancelled read of exactly so many leaves what had come for the next")
    func cancelledExactly() throws {
        try EventLoop.run { () async throws in
            let channel = try Channel(.pipe)
            let input = channel.input()
            write(channel.writer, "abc", 3)
            let reading = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await input.read(exactly: 6) }
            }
            await settle()
            reading.cancel()
            #expect(await reading.value?.code == .cancelled)
            write(channel.writer, "def", 3)
            #expect(try await input.read(exactly: 6) == Array("abcdef".utf8))
        }
    }

    @Test("to the end, but not beyond the limit")
    func toTheEnd() throws {
        try withInput(String(repeating: "x", count: 60_000)) { (input) async throws in
            #expect(
                await failure { () throws(IOError) in _ = try await input.readToEnd(limit: 59_999) }?.code == .tooLong)
            #expect(try await input.readToEnd(limit: 60_000).count == 60_000)
            #expect(try await input.readToEnd(limit: 0).isEmpty)
        }
    }

    @Test("into the caller's own memory")
    func ownMemory() throws {
        try withInput("hello world") { (input) async throws in
            var memory = [UInt8](repeating: 0, count: 5)
            var span = memory.mutableSpan
            var raw = span.mutableBytes
            #expect(try await input.read(into: &raw) == 5)
            #expect(memory == Array("hello".utf8))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
            defer { buffer.deallocate() }
            var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
            #expect(try await input.read(into: &output) == 6)
            #expect(output.byteCount == 6)
            #expect(try await input.read(into: &output) == 0)
            _ = output.finalize(for: buffer)
            #expect(buffer[..<6].elementsEqual(" world".utf8))
        }
    }

    @Test("a pending read of standard input does not hold up the exit, and can be cancelled")
    func standardInput() throws {
        let input = try TestSupport.Pipe()
        let output = try TestSupport.Pipe()
        let child = try ChildProcess(
            "FDProgram", ["cancel-stdin"], input: .descriptor(input.reader), output: .descriptor(output.writer))
        let end = try child.wait(limit: 60)
        #expect(end == .exited(0))
        #expect(String(decoding: output.readToEnd(), as: UTF8.self) == "cancelled\npending\n")
    }
}
