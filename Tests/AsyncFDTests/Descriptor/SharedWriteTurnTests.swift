// Several objects that write to one pipe: each record stays in one piece, however small the parts are that the kernel
// takes.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Descriptors that lead to the same place")
struct SharedWriteTurnTests {
    /// A record of a length of its own: its writer, its number, and an end that no other writer writes.
    static func record(_ writer: String, _ number: Int) -> String {
        "\(writer) \(number) " + String(repeating: writer, count: number * 37 % 700) + " end of \(writer) \(number)"
    }

    /// What of `text` is no whole record of these writers, and whether their records come in order.
    static func torn(_ text: String, _ writers: [String], count: Int) -> [String] {
        var next = Dictionary(uniqueKeysWithValues: writers.map { ($0, 0) })
        var torn: [String] = []
        for line in text.split(separator: "\n") {
            guard let writer = line.split(separator: " ").first.map(String.init), let number = next[writer],
                line == record(writer, number)
            else {
                torn.append(String(line.prefix(100)))
                continue
            }
            next[writer] = number + 1
        }
        return torn + next.filter { $0.value != count }.map { "\($0.value) of \(count) records of \($0.key)" }
    }

    /// Reads, blocking, in pieces that fit neither pages nor records, and not faster than the writers write.
    static func readSlowly(_ descriptor: CInt) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 5000)
        while true {
            let count = read(descriptor, &buffer, 1 + bytes.count * 31 % 4999)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
            sched_yield()
        }
    }

    static let count = 400

    static func write(_ name: String, to output: AsyncFD, prints: Bool) async throws {
        for number in 0..<count {
            if prints {
                await print(record(name, number), to: output)
            } else {
                try await output.write(record(name, number) + "\n")
            }
            if number % 7 == 0 { await Task.yield() }
        }
        try await output.flushPrints()
    }

    @Test(
        "prints and writes through two numbers of one pipe are not torn on one loop", arguments: [true, false],
        [true, false])
    func oneLoop(firstPrints: Bool, secondPrints: Bool) throws {
        let pipe = try Pipe(size: 4096)
        let (readingEnd, writingEnd) = (pipe.reader, pipe.writer)
        let reader = Locked("")
        let thread = try runThread { reader.value = Self.readSlowly(readingEnd) }
        try EventLoop.run {
            let numbers = [writingEnd, dup(writingEnd)]
            let outputs = numbers.map { AsyncFD(borrowing: FileDescriptor(rawValue: $0)) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.write("a", to: outputs[0], prints: firstPrints) }
                group.addTask { try await Self.write("b", to: outputs[1], prints: secondPrints) }
                try await group.waitForAll()
            }
            for output in outputs { await output.close() }
            Glibc.close(numbers[1])
        }
        pipe.closeWriter()
        pthread_join(thread, nil)
        #expect(Self.torn(reader.value, ["a", "b"], count: Self.count) == [])
    }

    @Test("nor are they on several loops, each with a thread of its own", arguments: [true, false])
    func severalLoops(prints: Bool) throws {
        let pipe = try Pipe(size: 4096)
        let (readingEnd, writingEnd) = (pipe.reader, pipe.writer)
        let reader = Locked("")
        let thread = try runThread { reader.value = Self.readSlowly(readingEnd) }
        let names = ["a", "b", "c", "d"]
        let writers = try names.map { name in
            try runThread {
                do {
                    try EventLoop.run {
                        let output = AsyncFD(borrowing: FileDescriptor(rawValue: writingEnd))
                        try await Self.write(name, to: output, prints: prints)
                        await output.close()
                    }
                } catch { Issue.record(error) }
            }
        }
        for writer in writers { pthread_join(writer, nil) }
        pipe.closeWriter()
        pthread_join(thread, nil)
        #expect(Self.torn(reader.value, names, count: Self.count) == [])
    }

    @Test("a task that waits for its turn while another loop has it can be cancelled, and leaves nothing behind")
    func cancelled() throws {
        let pipe = try Pipe()
        let writingEnd = pipe.writer
        let other = try EventLoop.start(name: "other")
        defer { other.stop() }
        try EventLoop.run {
            let theirs = Task(executorPreference: other) {
                let output = AsyncFD(borrowing: FileDescriptor(rawValue: writingEnd))
                try await output.write([UInt8](repeating: 1, count: 100_000))
            }
            while pipe.readableBytes < 65_536 { try await EventLoop.sleep(for: .milliseconds(1)) }
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer))
            let mine = Task(executorPreference: EventLoop.current!) { try await output.write([2]) }
            await settle()
            mine.cancel()
            await #expect(throws: IOError.self) { try await mine.value }
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            #expect(try await input.gather(100_000) == [UInt8](repeating: 1, count: 100_000))
            try await theirs.value
            try await output.write([3])
            #expect(try await input.read(upTo: 10) == [3])
        }
    }

    @Test(
        "a loop that ends in the middle of a task's write does not keep the turn: the write is finished, and then others write"
    )
    func endedLoop() throws {
        let pipe = try Pipe()
        let writingEnd = pipe.writer
        let other = try EventLoop.start(name: "other")
        let writing = Task(executorPreference: other) {
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: writingEnd))
            try await output.write([UInt8](repeating: 1, count: 100_000))
        }
        try EventLoop.run {
            while pipe.readableBytes < 65_536 { try await EventLoop.sleep(for: .milliseconds(1)) }
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer))
            // It stands in line already when the other loop ends.
            let mine = Task(executorPreference: EventLoop.current!) { try await output.write([2]) }
            await settle()
            other.stop()
            while other.isRunning { try await EventLoop.sleep(for: .milliseconds(1)) }
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            #expect(try await input.gather(100_000) == [UInt8](repeating: 1, count: 100_000))
            try await withTimeout(.seconds(30)) { try await mine.value }
            // And one that comes afterwards.
            try await withTimeout(.seconds(30)) { try await output.write([3]) }
            #expect(try await input.gather(2) == [2, 3])
            try await writing.value
        }
    }

    @Test("after 2>&1 the lines of both streams are whole, also when the reader is slow")
    func standardStreams() throws {
        let pipe = try Pipe(size: 4096)
        let child = try ChildProcess(
            "FDProgram", ["both-streams", "\(Self.count)"], output: .descriptor(pipe.writer),
            error: .descriptor(pipe.writer))
        pipe.closeWriter()
        let text = Self.readSlowly(pipe.reader)
        #expect(try child.wait() == .exited(0))
        #expect(Self.torn(text, ["out", "err"], count: Self.count) == [])
    }
}
