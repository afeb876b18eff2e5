// A destination that fails: what state its handler is in, what is reported where, what is lost, and that all is well
// again when the cause has gone.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import SystemPackage
import TestSupport
import Testing

/// What a fallback was told: level and text.
private func told(_ fallback: MemoryHandler) -> [String] { fallback.records.map { "\($0.level) \($0.message)" } }

@Suite("Failing destinations")
struct FailureTests {
    #if DEBUG
    @Test(
        "whatever errno a write fails with, the handler says so once, keeps what it has, and delivers all of it when the cause has gone",
        arguments: [
            Errno.noSpace, .ioError, .brokenPipe, .connectionRefused, .readOnlyFileSystem, .diskQuotaExceeded,
            .noMemory, .permissionDenied,
        ])
    func recovery(errno: Errno) throws {
        let pipe = try Pipe()
        let clock = ManualClock(.byHand)
        try EventLoop.run(clock: clock) {
            let fallback = MemoryHandler()
            let handler = StreamHandler(
                pipe.descriptor, formatter: TextFormatter(pattern: try TextPattern("{message}")))
            handler.reportTroubles(to: fallback)
            var states = handler.states.makeAsyncIterator()
            let logger = Logger("app", handlers: [handler])
            await logger.info("before")
            try await logger.flush()
            #expect(await states.next() == .ready)

            // The retries come after 100 ms, 200 ms, … by the clock. Each of them is hurt.
            for (round, pause) in [0, 100, 200, 400, 800].enumerated() {
                let faults = Faults(.errno(errno), at: 1)
                Faults.install(faults)
                await logger.info("\(round)")
                await clock.advance(by: .milliseconds(pause))
                Faults.install(nil)
                #expect(faults.hasStruck, "no retry after \(pause) ms")
                #expect(
                    fallback.records.isEmpty == (round < 4),
                    "the fallback is told of a trouble after a second, not before")
            }
            guard case .failed(let reason) = await handler.state else { throw Unexpected("\(await handler.state)") }
            #expect(reason.errno == errno && reason.operation == "write" && reason.subject == "the pipe")
            #expect(await states.next() == .failed(reason))

            await clock.advance(by: .seconds(30))
            #expect(await handler.state == .ready)
            #expect(await states.next() == .ready)
            #expect(
                told(fallback) == [
                    "ERROR \(reason); 0 records dropped so far, trying again",
                    "NOTICE the pipe works again; 0 records were dropped meanwhile",
                ])
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == 6 && ledger.accepted == 6 && ledger.balances)
        }
        #expect(String(decoding: pipe.drain(), as: UTF8.self) == "before\n0\n1\n2\n3\n4\n")
    }

    @Test("a failure that has gone within a second is seen by observers, and is not reported to the fallback")
    func hiccup() throws {
        let pipe = try Pipe()
        let clock = ManualClock(.byHand)
        try EventLoop.run(clock: clock) {
            let fallback = MemoryHandler()
            let handler = StreamHandler(pipe.descriptor, formatter: TextFormatter())
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            await logger.info("before")
            try await logger.flush()
            let faults = Faults(.errno(.noSpace), at: 1)
            Faults.install(faults)
            await logger.info("hurt")
            await clock.advance(by: .zero)
            Faults.install(nil)
            #expect(faults.hasStruck)
            var states = handler.states.makeAsyncIterator()
            guard case .failed? = await states.next() else { throw Unexpected("\(await handler.state)") }
            await clock.advance(by: .seconds(60))
            #expect(await states.next() == .ready)
            #expect(fallback.records.isEmpty)
        }
    }
    #endif

    @Test("a device that is full: what the buffer does not hold is dropped, counted, and said at the end, once")
    func deviceFull() throws {
        try EventLoop.run(clock: ManualClock()) {
            let device = try await open("/dev/full", .writeOnly)
            let fallback = MemoryHandler()
            let handler = StreamHandler(device, formatter: TextFormatter(), capacity: 1000, overflow: .dropNewest)
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            for index in 0..<100 { await logger.info("\(index)") }
            await #expect { try await logger.flush() } throws: { ($0 as? IOError)?.errno == .noSpace }
            try await EventLoop.sleep(for: .seconds(60))
            #expect(fallback.records.count == 1 && fallback.messages[0].contains("no space left on device (ENOSPC)"))
            let before = await handler.statistics.ledger
            #expect(before.balances && before.written == 0 && before.pending > 0 && before.dropped[.failure]! > 50)
            let ledger = await logger.shutdown(within: .seconds(1))
            #expect(ledger.dropped[.failure] == 100 && ledger.pending == 0)
            #expect(
                fallback.messages.last
                    == "write \"/dev/full\": no space left on device (ENOSPC); 100 of 100 records dropped")
            #expect(fallback.records.count == 2)
            await device.close()
        }
    }

    @Test(
        "a FIFO whose reader goes and another comes: the handler fails, recovers by itself, and what it kept is read by the next one"
    )
    func readerReturns() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("fifo")
        mkfifo(path, 0o600)
        let first = Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try EventLoop.run(clock: ManualClock()) {
            let fifo = try await open(FilePath(path), .writeOnly)
            let fallback = MemoryHandler()
            let handler = StreamHandler(fifo, formatter: TextFormatter(pattern: try TextPattern("{message}")))
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            close(first)
            await logger.info("one")
            await #expect { try await logger.flush() } throws: { ($0 as? IOError)?.code == .brokenPipe }
            try await EventLoop.sleep(for: .seconds(5))
            let second = Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            await logger.info("two")
            try await EventLoop.sleep(for: .seconds(20))
            #expect(await handler.state == .ready)
            #expect(fallback.messages.count == 2)
            var bytes = [UInt8](repeating: 0, count: 100)
            let count = read(second, &bytes, 100)
            #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "one\ntwo\n")
            close(second)
            await fifo.close()
        }
    }

    @Test("a fallback that has failed itself is not spoken to, and two that are each other's fallback come to an end")
    func circle() throws {
        try EventLoop.run(clock: ManualClock()) {
            let device = try await open("/dev/full", .writeOnly)
            let first = StreamHandler(device, formatter: TextFormatter(), capacity: 1000)
            let second = StreamHandler(device, formatter: TextFormatter(), capacity: 1000)
            first.reportTroubles(to: second)
            second.reportTroubles(to: first)
            let logger = Logger("app", handlers: [first, second])
            await logger.info("one")
            try await EventLoop.sleep(for: .seconds(60))
            let ledger = await logger.shutdown(within: .seconds(1))
            #expect(ledger.balances && ledger.accepted < 10)
            await device.close()
        }
    }
}
