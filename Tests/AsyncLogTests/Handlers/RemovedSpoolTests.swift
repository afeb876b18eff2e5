// A spool's file that is removed while it is used: nothing counts as written that is lost, and what is lost is said.
#if DEBUG
import AsyncLog
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Removed spools")
struct RemovedSpoolTests {
    private let folder: TemporaryFolder
    private let port = Ports.next()
    private var path: String { folder.file("spool") }

    init() throws { folder = try TemporaryFolder() }

    /// - Parameter said: what the handler says of its troubles.
    private func handler(_ said: Locked<MemoryHandler?>) -> SocketHandler<MessageFormatter> {
        let fallback = MemoryHandler()
        said.value = fallback
        let backoff = Backoff(first: .milliseconds(2), longest: .milliseconds(10))
        let handler = SocketHandler(
            .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), spool: .disk(path), backoff: backoff)
        handler.reportTroubles(to: fallback)
        return handler
    }

    private func log(_ numbers: Range<Int>, _ logger: Logger) async {
        for number in numbers { await logger.info("\(number)") }
    }
    private func lines(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" } }
    private var inSpool: [String] {
        SpoolReader(path).records.map { String(decoding: $0.bytes.dropLast(), as: UTF8.self) }
    }

    @Test(
        "what was in it is sent by this run, what comes later waits in memory; when all is sent the next spool has a file again"
    )
    func removed() throws {
        let fallback = Locked<MemoryHandler?>(nil)
        try onLoop {
            let handler = handler(fallback)
            let logger = Logger("app", handlers: [handler])
            await log(0..<10, logger)
            try await logger.flush()
            #expect(inSpool == lines(0..<10))
            unlink(path)
            await log(10..<20, logger)
            await #expect { try await logger.flush() } throws: {
                "\($0)" == "write \"\(path)\": the file has been removed"
            }
            guard case .failed(let reason) = await handler.state else { throw Unexpected("\(await handler.state)") }
            #expect(reason.code == .removed)
            let before = await handler.statistics
            #expect(before.ledger.written == 10 && before.ledger.pending == 10 && before.ledger.droppedTotal == 0)
            #expect(access(path, F_OK) != 0)

            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { server.lines == lines(0..<20) })
            #expect(await eventually { await handler.state == .ready })
            await server.vanish()
            #expect(await eventually { access(path, F_OK) == 0 })
            await log(20..<30, logger)
            try await logger.flush()
            #expect(inSpool == lines(20..<30))
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            let ledger = await handler.close()
            #expect(ledger.written == 30 && ledger.droppedTotal == 0 && ledger.balances)
        }
        #expect(fallback.value?.messages.contains { $0.contains("had not been sent") } == false)
    }

    @Test("one with nothing in it is made again at once")
    func removedEmpty() throws {
        let fallback = Locked<MemoryHandler?>(nil)
        try onLoop {
            let handler = handler(fallback)
            let logger = Logger("app", handlers: [handler])
            await log(0..<1, logger)
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { server.lines == lines(0..<1) })
            #expect(await eventually { await handler.state == .ready })
            unlink(path)
            await server.vanish()
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            await log(1..<10, logger)
            #expect(await eventually { inSpool == lines(1..<10) })
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            let ledger = await handler.close()
            #expect(ledger.written == 10 && ledger.droppedTotal == 0 && ledger.balances)
        }
    }

    @Test(
        "the run ends without a connection: it is said how many records were in the file, and those in memory are counted",
        arguments: [true, false])
    func lost(isClosed: Bool) throws {
        let fallback = Locked<MemoryHandler?>(nil)
        try onLoop {
            let handler = handler(fallback)
            let logger = Logger("app", handlers: [handler])
            await log(0..<10, logger)
            try await logger.flush()
            unlink(path)
            await log(10..<15, logger)
            await #expect(throws: IOError.self) { try await logger.flush() }
            guard isClosed else { return }
            let ledger = await handler.close(within: .milliseconds(20))
            #expect(ledger.written == 10 && ledger.dropped == [.failure: 5] && ledger.balances)
        }
        let said = fallback.value?.messages ?? []
        #expect(said.contains { $0.hasSuffix("the file has been removed; 5 of 15 records dropped") }, "\(said)")
        #expect(
            said.contains("\"\(path)\": the file has been removed, and with it 10 records that had not been sent"),
            "\(said)")
    }

    @Test("a file that is removed while it is written to has not taken the records")
    func removedMeanwhile() throws {
        let bytes = Array("record\n".utf8)
        let contents = try SpoolFile.open(path, title: "asynclog spool", .newline).get()
        defer { close(contents.file.tail) }
        // The first call looks at the file, the second writes.
        let removal = Faults(before: 2) { [path] in unlink(path) }
        Faults.install(removal)
        let outcome = bytes.withUnsafeBytes { bytes in
            let vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
            return withUnsafePointer(to: vector) { contents.file.append(Vectors(start: $0, count: 1), [bytes.count]) }
        }
        Faults.install(nil)
        #expect(removal.hasStruck && access(path, F_OK) != 0)
        #expect(outcome == .failed(.staleNFSFileHandle))
        #expect(contents.file.end == SpoolFormat.headerSize)
    }
}
#endif
