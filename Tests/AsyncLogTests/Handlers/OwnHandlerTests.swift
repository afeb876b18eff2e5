// A user's own handler that keeps records back: it takes part in flushing, in the end, and in the ledger, as the
// library's own do.
import AsyncFD
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Handlers of one's own")
struct OwnHandlerTests {
    /// Keeps records until it is flushed, which takes a while.
    private final class Batches: Handler, @unchecked Sendable {
        enum Way: CaseIterable { case works, fails, hangs }
        var way = Way.works
        private var batch: [String] = []
        private(set) var flushes = 0
        private let sent: Locked<[String]>

        init(_ sent: Locked<[String]>) {
            self.sent = sent
            super.init()
        }

        override func handle(_ record: borrowing Record) throws { batch.append(String(record.message)) }
        override var pendingRecords: Int { batch.count }
        override func abandonPending() { batch = [] }

        override func flush(_ mode: FlushMode) async throws(IOError) {
            flushes += 1
            try? await EventLoop.sleep(for: .milliseconds(2))
            switch way {
            case .works: break
            case .fails: throw IOError("send", on: "the collector", .connectionRefused)
            case .hangs:
                // Not even a cancellation ends it.
                await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
            }
            let all = batch
            sent.withLock { $0 += all }
            batch = []
        }
    }

    @Test(
        "shutdown(within:) flushes it, not again at the end, and the ledger says what was kept back, written, and lost",
        arguments: [true, false])
    func shutdown(works: Bool) throws {
        let begin = ContinuousClock.now
        let sent = Locked<[String]>([])
        try onLoop {
            let (batches, memory) = (Batches(sent), MemoryHandler())
            batches.reportTroubles(to: memory)
            batches.way = works ? .works : .hangs
            let logger = Logger("app", handlers: [batches])
            for index in 0..<10 { await logger.info("\(index)") }
            var ledger = await logger.ledger
            #expect(ledger.written == 0 && ledger.pending == 10 && ledger.balances)
            ledger = await logger.shutdown(within: .milliseconds(works ? 60_000 : 30))
            #expect(ledger.accepted == 10 && ledger.pending == 0 && ledger.balances && batches.flushes == 1)
            #expect(works ? ledger.written == 10 : ledger.dropped == [.timeout: 10])
            #expect(
                memory.messages.count == (works ? 0 : 1)
                    && memory.messages.allSatisfy { $0.contains("10 of 10 records dropped") })
        }
        #expect(ContinuousClock.now - begin < EventLoop.exitTimeout)
        #expect(sent.value == (works ? (0..<10).map(String.init) : []))
    }

    @Test("a flush that fails is why its records are lost, and that is said", arguments: [true, false])
    func failure(shutsDown: Bool) throws {
        let sent = Locked<[String]>([])
        let memory = Locked<MemoryHandler?>(nil)
        try onLoop {
            let batches = Batches(sent)
            let fallback = MemoryHandler()
            memory.withLock { $0 = fallback }
            batches.reportTroubles(to: fallback)
            batches.way = .fails
            let logger = Logger("app", handlers: [batches])
            await logger.info("lost")
            let error = await #expect(throws: IOError.self) { try await logger.flush() }
            #expect(error?.operation == "send")
            #expect(await logger.ledger.pending == 1)
            if shutsDown { #expect(await logger.shutdown(within: .seconds(60)).dropped == [.failure: 1]) }
        }
        let said = memory.value?.messages ?? []
        #expect(
            said.count == 1 && said[0].contains("the collector") && said[0].contains("1 of 1 records dropped"),
            "\(said)")
    }

    @Test(
        "the end of the loop flushes it, behind the hooks, even if the program has released it and its logger",
        arguments: [true, false])
    func endOfLoop(isHeld: Bool) throws {
        let sent = Locked<[String]>([])
        weak var gone: Batches?
        try onLoop {
            let batches = Batches(sent)
            gone = batches
            let logger = Logger("app", handlers: [batches])
            await logger.info("from the body")
            if isHeld { EventLoop.current!.onShutdown { await logger.info("from a hook") } }
        }
        #expect(sent.value == (isHeld ? ["from the body", "from a hook"] : ["from the body"]))
        #expect(gone == nil, "it stays when all is said and done")
    }

    @Test("a started loop that is stopped flushes it")
    func startedLoop() throws {
        let sent = Locked<[String]>([])
        let loop = try EventLoop.start(name: "own")
        let logger = loop.performAndWait { Logger("app", handlers: [Batches(sent)]) }
        logger.info("from another thread")
        loop.stop()
        for _ in 0..<5000 where sent.value.isEmpty { usleep(1000) }
        #expect(sent.value == ["from another thread"])
    }

    @Test("exit() can flush nothing, and says what is lost by it")
    func exitInTask() throws {
        let error = try Pipe()
        let child = try ChildProcess("LogProgram", ["lifetimes", "exit-with-batch"], error: .descriptor(error.writer))
        let said = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(3))
        #expect(said.contains("3 of 3 records dropped") && said.split(separator: "\n").count == 1, "\(said)")
    }

    // MARK: Troubles

    private struct Refusal: Error {}

    private struct Refusing: Formatter {
        func format(_ record: borrowing Record, to line: inout LineBuffer) throws { throw Refusal() }
    }

    @Test("a flush reaches the handlers behind one that fails, and throws what that one said")
    func flushBehindFailure() throws {
        try EventLoop.run(clock: ManualClock()) {
            let sent = Locked<[String]>([])
            let (first, second) = (Batches(Locked([])), Batches(sent))
            first.way = .fails
            let logger = Logger("app", handlers: [first, second])
            logger.nowait.info("one")
            await #expect(throws: IOError("send", on: "the collector", .connectionRefused)) { try await logger.flush() }
            #expect(second.flushes == 1 && sent.value == ["one"])
            first.way = .works
        }
    }

    private final class Throwing: Handler, @unchecked Sendable {
        override func handle(_ record: borrowing Record) throws { throw Refusal() }
    }

    @Test(
        "what a formatter or a handler throws goes where all troubles go, the first time, the second, the fourth, the eighth"
    )
    func oneWay() throws {
        let pipe = try Pipe()
        try onLoop {
            let (own, written) = (MemoryHandler(), MemoryHandler())
            let (throwing, refusing) = (Throwing(), StreamHandler(pipe.descriptor, formatter: Refusing()))
            throwing.reportTroubles(to: own)
            refusing.reportTroubles(to: written)
            let logger = Logger("app", handlers: [throwing, refusing])
            for _ in 0..<10 { await logger.info("m") }
            for memory in [own, written] {
                #expect(
                    memory.records.count == 4
                        && memory.records.allSatisfy { $0.logger == "asynclog" && $0.level == .error })
                #expect(
                    memory.messages.last?.hasSuffix("Refusal(); 8 records dropped for such reasons so far") == true,
                    "\(memory.messages)")
            }
            #expect(await logger.ledger.dropped == [.handler: 20])
        }
    }

    @Test("fallbacks that both throw, each the other's, do not run for ever")
    func bothThrow() throws {
        try onLoop {
            let (a, b) = (Throwing(), Throwing())
            a.reportTroubles(to: b)
            b.reportTroubles(to: a)
            let logger = Logger("app", handlers: [a])
            for _ in 0..<4 { await logger.info("m") }
            #expect(await a.statistics.ledger.dropped[.handler] == 4)
            (a.fallback, b.fallback) = (nil, nil)
        }
    }
}

@Suite("Texts of others on standard error")
struct VisibleTextTests {
    @Test("what is escaped there is what the log's formats escape, and as they do")
    func sameAsFormats() throws {
        let scalars = (0..<0x3000).compactMap(Unicode.Scalar.init).map(String.init)
        let formatted = try lines(MessageFormatter()) { logger in for text in scalars { await logger.info("\(text)|") }
        }
        #expect(formatted == scalars.map { VisibleText.escaped($0 + "|") })
    }

    @Test("an error in directives shows no character that acts, and marks the place all the same")
    func directives() throws {
        let error = try #require(throws: DirectiveError.self) { try Directives("info,\u{1B}[2J\r\n\u{202E}=x") }
        #expect(error.description.split(separator: "\n").count == 3)
        #expect(!error.description.unicodeScalars.contains { $0 != "\n" && VisibleText.acts($0) })
        let lines = error.description.split(separator: "\n")
        #expect(
            lines[1].count == "info, [2J   =x".count && lines[2].count == lines[1].count && lines[2].hasSuffix(" ^"))
    }
}
