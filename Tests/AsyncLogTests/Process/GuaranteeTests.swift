// What holds whatever handlers, formatters and destinations do.
import AsyncLog
import EventLoop
import Glibc
import SystemPackage
import Synchronization
import TestSupport
import Testing

private struct Refusal: Error, CustomStringConvertible { let description = "refused" }

/// Throws for messages that say so.
private struct Fragile: Formatter {
    func format(_ record: borrowing Record, to line: inout LineBuffer) throws {
        line.append("half a line")
        if record.message == "throw" { throw Refusal() }
        line.clear()
        line.appendEscaped(record.message)
        line.append("\n")
    }
}

/// Logs while it is being called.
private final class Talkative: Handler, @unchecked Sendable {
    var logger: Logger?
    private(set) var count = 0

    override func handle(_ record: borrowing Record) throws {
        count += 1
        logger?.info("from within")
    }
}

@Suite("Guarantees")
struct GuaranteeTests {
    @Test(
        "a formatter that throws loses that record, counted, and nothing else; what it had written is not in the output"
    )
    func throwingFormatter() throws {
        let sink = try Sink()
        try onLoop {
            let handler = StreamHandler(sink.descriptor, formatter: Fragile())
            let logger = Logger("app", handlers: [handler])
            for text in ["a", "throw", "b"] { await logger.info("\(text)") }
            try await logger.flush()
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == 2 && ledger.dropped == [.handler: 1] && ledger.balances)
        }
        #expect(sink.lines().filter { $0.count == 1 } == ["a", "b"])
    }

    @Test("a handler that throws does not keep the record from the others")
    func throwingHandler() throws {
        final class Refusing: Handler, @unchecked Sendable {
            override func handle(_ record: borrowing Record) throws { throw Refusal() }
        }
        try onLoop {
            let (refusing, memory) = (Refusing(), MemoryHandler())
            let logger = Logger("app", handlers: [refusing, memory])
            for index in 0..<10 { await logger.info("\(index)") }
            #expect(memory.records.count == 10)
            #expect(await refusing.statistics.ledger.dropped == [.handler: 10])
        }
    }

    @Test("a handler that logs does not hear itself, and does not run for ever")
    func recursion() throws {
        try onLoop {
            let (talkative, memory) = (Talkative(), MemoryHandler())
            let logger = Logger("app", handlers: [talkative, memory])
            talkative.logger = logger
            await logger.info("from outside")
            #expect(talkative.count == 1)
            #expect(memory.messages == ["from within", "from outside"])
            let ledger = await talkative.statistics.ledger
            #expect(ledger.dropped == [.recursion: 1] && ledger.balances)
        }
    }

    @Test(
        "a record larger than the limit is cut in its texts, with a mark, and stays what the format says",
        arguments: [100, 300, 1000, 5000])
    func oversize(limit: Int) throws {
        let sink = try Sink()
        let long = String(repeating: "é", count: 4000)
        try onLoop {
            let handler = StreamHandler(
                sink.descriptor, formatter: JSONFormatter(include: .message), maximumLineLength: limit)
            let logger = Logger("app", handlers: [handler])
            await logger.info("\(long)", ["a": long, "b": ["c": long] as Fields, "n": 7])
            await logger.with(["bound": long]).info("short")
            await logger.info("many") { fields in for index in 0..<1000 { fields[FieldKey("key\(index)")] = index } }
            try await logger.flush()
            #expect(await handler.statistics.ledger.written == 3)
        }
        let lines = sink.lines()
        #expect(lines.count == 3)
        #expect(
            lines.allSatisfy { $0.utf8.count < limit && $0.hasPrefix("{\"message\":\"") && $0.hasSuffix("}") },
            "\(lines.map(\.utf8.count))")
        #expect(lines[0].contains("bytes cut]") && !lines[0].contains("\u{fffd}"))
        if Python.withJSON == nil { _ = try Python.run("parse.py", ["json"], input: sink.bytes()) }
    }

    @Test("other threads' records are all there, whole, and in each thread's own order")
    func threads() throws {
        let sink = try Sink()
        let (threads, count) = (4, 1000)  // fewer than may be on their way at once: none has to be dropped
        let loop = try EventLoop.start(name: "log")
        let logger = Locked<Logger?>(nil)
        try EventLoop.run {
            let made = await Task(executorPreference: loop) {
                Logger(
                    "app",
                    handlers: [
                        StreamHandler(
                            sink.descriptor, formatter: try! TextFormatter(pattern: TextPattern("{message}{fields}")))
                    ])
            }.value
            logger.withLock { $0 = made }
        }
        let shared = logger.withLock { $0! }
        let box = ThreadBox { index in
            let logger = shared.with(["thread": index])
            for number in 0..<count { logger.info("\(number)", ["text": "x"]) }
        }
        try box.run(threads)
        try EventLoop.run { try await shared.flush() }
        let ledger = try EventLoop.run { await shared.ledger }
        loop.stop()
        #expect(ledger.written + ledger.droppedTotal == UInt64(threads * count) && ledger.balances)
        #expect(ledger.droppedTotal == 0)
        var next = Array(repeating: 0, count: threads)
        for line in sink.lines() {
            let words = line.split(separator: " ")
            let thread = Int(words[1].dropFirst("thread=".count))!
            #expect(Int(words[0]) == next[thread] && words[2] == "text=x")
            next[thread] += 1
        }
        #expect(next == Array(repeating: count, count: threads))
    }

    @Test(
        "what other threads log while the loop is stuck is taken up to a bound; what is beyond it is counted, and said in the log"
    )
    func refusals() throws {
        let sink = try Sink()
        let count = 20_000
        let loop = try EventLoop.start(name: "log")
        defer { loop.stop() }
        let isOpen = Atomic<Bool>(false)
        let made = Locked<Logger?>(nil)
        loop.perform {
            made.withLock {
                $0 = Logger("app", handlers: [StreamHandler(sink.descriptor, formatter: LogfmtFormatter())])
            }
        }
        while made.withLock({ $0 == nil }) { sched_yield() }
        let logger = made.withLock { $0! }
        loop.perform { while !isOpen.load(ordering: .acquiring) { sched_yield() } }
        let text = String(repeating: "x", count: 200)
        try ThreadBox { _ in for _ in 0..<count { logger.info("\(text)") } }.run(1)
        isOpen.store(true, ordering: .releasing)
        try EventLoop.run { try await logger.flush() }
        let ledger = try EventLoop.run { await logger.ledger }
        #expect(ledger.accepted == UInt64(count) && ledger.balances && ledger.pending == 0)
        #expect(ledger.dropped[.overflow] ?? 0 > UInt64(count / 2))
        let reported = sink.lines().compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("dropped_info=") }.flatMap {
                UInt64($0.dropFirst("dropped_info=".count))
            }
        }
        #expect(reported.reduce(0, +) == ledger.droppedTotal)
        #expect(sink.lines().count { $0.contains(text) } == Int(ledger.written))
    }

    @Test("block: a thread of its own that logs faster than the loop writes is held up, and loses nothing")
    func blocking() throws {
        let sink = try Sink()
        let loop = try EventLoop.start(name: "log")
        defer { loop.stop() }
        let logger = try EventLoop.run {
            await Task(executorPreference: loop) {
                Logger(
                    "app",
                    handlers: [
                        StreamHandler(sink.descriptor, formatter: JSONFormatter(), overflow: .block(upTo: .seconds(60)))
                    ])
            }.value
        }
        let box = ThreadBox { _ in
            for number in 0..<20_000 {
                logger.info("\(number)", ["filler": "0123456789012345678901234567890123456789"])
            }
        }
        try box.run(2)
        let ledger = try EventLoop.run {
            try await logger.flush()
            return await logger.ledger
        }
        #expect(ledger.written == 40_000 && ledger.droppedTotal == 0 && ledger.balances)
    }

    @Test("tasks that wait for room are not overtaken, in no handler, by tasks that log when there is some again")
    func orderUnderBackPressure() throws {
        let pipes = try [Pipe(size: 4096), Pipe(size: 8192)]
        let count = 2000
        var outputs: [[UInt8]] = [[], []]
        try onLoop {
            let handlers = try pipes.enumerated().map { index, pipe in
                StreamHandler(
                    pipe.descriptor, formatter: TextFormatter(pattern: try TextPattern("{message}{fields}")),
                    capacity: 1000 + 500 * index)
            }
            let logger = Logger("app", handlers: handlers)
            let (next, running) = (Locked(0), Locked(10))
            for _ in 0..<10 {
                Task(executorPreference: EventLoop.current!) {
                    while next.value < count {
                        next.value += 1
                        await logger.info("\(next.value)", ["filler": "01234567890123456789"])
                    }
                    running.value -= 1
                }
            }
            while running.value > 0 {
                // One reader is as slow as the other is fast, and they take turns.
                let fast = next.value / 200 % 2
                outputs[fast] += pipes[fast].drain()
                outputs[1 - fast] += pipes[1 - fast].drain(700)
                await Task.yield()
            }
            let flushed = Locked(false)
            Task(executorPreference: EventLoop.current!) {
                try await logger.flush()
                flushed.value = true
            }
            while !flushed.value {
                for index in 0...1 { outputs[index] += pipes[index].drain() }
                await Task.yield()
            }
            #expect(await logger.ledger.written == UInt64(2 * count))
        }
        for index in 0...1 {
            let numbers = String(decoding: outputs[index] + pipes[index].drain(), as: UTF8.self).split(separator: "\n")
                .map {
                    $0.split(separator: " ")[0]
                }
            #expect(numbers == (1...count).map { "\($0)" }, "handler \(index)")
        }
    }

    @Test("flush(.durable) shares one fdatasync among all tasks that wait, and fails where nothing is durable")
    func durable() throws {
        let sink = try Sink()
        try onLoop {
            let handler = StreamHandler(sink.descriptor, formatter: TextFormatter())
            let logger = Logger("app", handlers: [handler])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<50 {
                    group.addTask {
                        await logger.info("\(index)")
                        try await logger.flush(.durable)
                    }
                }
                try await group.waitForAll()
            }
            #expect(sink.lines().count == 50)
            #expect(handler.diskFlushes >= 1 && handler.diskFlushes < 10, "\(handler.diskFlushes)")
        }
        let pipe = try Pipe()
        try onLoop {
            let logger = Logger("app", handlers: [StreamHandler(pipe.descriptor, formatter: TextFormatter())])
            await logger.info("m")
            let error = await #expect(throws: IOError.self) { try await logger.flush(.durable) }
            #expect(error?.operation == "fdatasync")
        }
    }

    @Test("shutdown(within:) says what became of all records")
    func shutdown() throws {
        let pipe = try Pipe(size: 4096)
        try onLoop {
            let handler = StreamHandler(pipe.descriptor, formatter: TextFormatter())
            let logger = Logger("app", handlers: [handler])
            for _ in 0..<100 { await logger.info("\(String(repeating: "x", count: 100))") }
            let ledger = await logger.shutdown(within: .milliseconds(50))
            #expect(ledger.accepted == 100 && ledger.pending == 0 && ledger.balances)
            #expect(ledger.written > 10 && ledger.dropped[.timeout] == 100 - ledger.written)
        }
    }

    @Test("what a logger says without any event loop is there when the call returns")
    func noLoop() throws {
        let child = try Pipe()
        let logger = Logger(
            "app",
            handlers: [StreamHandler(child.descriptor, formatter: try TextFormatter(pattern: TextPattern("{message}")))]
        )
        let box = ThreadBox { _ in logger.info("plain thread") }
        try box.run(1)
        while child.drain(0).isEmpty == false {}
        var text: [UInt8] = []
        for _ in 0..<2000 where text.isEmpty {
            text = child.drain()
            // another test may have borrowed the main loop for a moment, and does it for us
            if text.isEmpty { usleep(1000) }
        }
        #expect(String(decoding: text, as: UTF8.self) == "plain thread\n")
    }
}

/// Runs a body on threads of its own, and waits for them.
final class ThreadBox: Sendable {
    private let body: @Sendable (Int) -> Void

    init(_ body: @escaping @Sendable (Int) -> Void) { self.body = body }

    func run(_ count: Int) throws {
        let threads = try (0..<count).map { index in try runThread { self.body(index) } }
        for thread in threads { pthread_join(thread, nil) }
    }
}
