// Records over sockets: servers that vanish and return, that hang up, that do not read; and what is lost then, to the
// record.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import SystemPackage
import TestSupport
import Testing

private let quick = Backoff(first: .milliseconds(2), longest: .milliseconds(10))

@Suite("Sockets")
struct SocketHandlerTests {
    @Test("TCP: records arrive whole and in order, framed as asked", arguments: [Framing.newline, .octetCounting])
    func tcp(framing: Framing) throws {
        try onLoop {
            let server = try await LogServer()
            let handler = SocketHandler(
                .tcp("localhost", port: server.port), formatter: MessageFormatter(), framing: framing)
            let logger = Logger("app", handlers: [handler])
            for index in 0..<1000 { await logger.info("record \(index)") }
            try await logger.flush()
            let expected = (0..<1000).map { "record \($0)\n" }.map {
                framing == .newline ? $0 : "\($0.utf8.count) \($0)"
            }.joined()
            #expect(await eventually { server.text.utf8.count >= expected.utf8.count })
            #expect(server.text == expected && server.streams.count == 1)
            #expect(await handler.state == .ready)
            let ledger = await handler.close()
            #expect(ledger.written == 1000 && ledger.balances)
            await server.vanish()
        }
    }

    @Test(
        "a server that vanishes and returns gets what was logged meanwhile, in order, and all is well again",
        arguments: [false, true])
    func vanishes(overUnix: Bool) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("socket")
        try onLoop {
            let first = try await LogServer(on: overUnix ? AsyncFD.Address.unix(FilePath(path))! : nil)
            let endpoint = overUnix ? Endpoint.unix(path) : .tcp("127.0.0.1", port: first.port)
            let handler = SocketHandler(endpoint, formatter: MessageFormatter(), backoff: quick)
            var states = handler.states.makeAsyncIterator()
            let logger = Logger("app", handlers: [handler])
            await logger.info("one")
            try await logger.flush()
            #expect(await eventually { first.lines == ["one"] })
            await first.vanish()
            guard await states.next() == .ready, case .degraded(let reason)? = await states.next() else {
                throw Unexpected("\(await handler.state)")
            }
            #expect(reason.subject.contains("\(endpoint)"))
            await logger.info("two")
            await #expect { try await logger.flush() } throws: { error in
                ["ECONNREFUSED", "ENOENT"].contains { "\(error)".contains($0) }
            }
            for index in 0..<500 { await logger.info("meanwhile \(index)") }
            #expect(await handler.statistics.ledger.pending == 501)
            let second = try await LogServer(on: first.address)
            #expect(await eventually { second.lines.count == 501 })
            #expect(second.lines == ["two"] + (0..<500).map { "meanwhile \($0)" })
            #expect(await handler.state == .ready)
            let ledger = await handler.close()
            #expect(ledger.written == 502 && ledger.droppedTotal == 0)
            await second.vanish()
        }
    }

    @Test("a record that was begun when the connection broke goes whole to the next one")
    func begunRecord() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("socket")
        try onLoop {
            let server = try await LogServer(on: AsyncFD.Address.unix(FilePath(path))!, isReading: false)
            let handler = SocketHandler(
                .unix(path), formatter: MessageFormatter(), spool: .memory(8 << 20), maximumLineLength: 8 << 20,
                backoff: quick)
            let logger = Logger("app", handlers: [handler])
            // More than the kernel takes for a peer that does not read.
            let giant = String(repeating: "g", count: 1 << 20)
            await logger.info("before")
            await logger.info("\(giant)")
            await logger.info("behind")
            #expect(await eventually { server.streams.count == 1 })
            try await server.readSome(1000, of: 0)
            #expect(server.lines.first == "before" && server.lines.last?.hasPrefix("ggg") == true)
            #expect(await handler.statistics.ledger.written == 1)
            await server.vanish()
            let next = try await LogServer(on: server.address)
            #expect(await eventually { next.lines.count == 2 })
            #expect(next.lines.first?.utf8.count == giant.utf8.count && next.lines.last == "behind")
            let ledger = await handler.close()
            #expect(ledger.written == 3 && ledger.balances)
            await next.vanish()
        }
    }

    @Test(
        "an idle connection that the server has ended is noticed at once: the next record is not written into the void")
    func halfOpen() throws {
        try onLoop {
            let server = try await LogServer()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: server.port), formatter: MessageFormatter(), backoff: quick)
            let logger = Logger("app", handlers: [handler])
            for round in 0..<20 {
                await logger.info("\(round)")
                try await logger.flush()
                #expect(await eventually { server.lines.count == round + 1 })
                await server.hangUp()
                #expect(await eventually { server.streams.count == round + 2 }, "no new connection")
            }
            #expect(server.lines == (0..<20).map(String.init))
            await handler.close()
            await server.vanish()
        }
    }

    @Test("a full spool: what does not fit is dropped, counted, and reported in its place when the connection is back")
    func spoolIsFull() throws {
        try onLoop {
            let port = Ports.next()
            let fallback = MemoryHandler()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), spool: .memory(1000), reserve: 0,
                overflow: .dropNewest, backoff: quick)
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            for index in 0..<200 { await logger.info("record \(index)") }
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            await logger.info("one too many")
            guard case .failed(let reason) = await handler.state else { throw Unexpected("\(await handler.state)") }
            #expect(reason.code == .connectionRefused)
            let dropped = await handler.statistics.ledger.droppedTotal
            #expect(dropped > 50)
            #expect(await eventually { fallback.messages.count == 1 })
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { server.lines.last?.hasPrefix("\(dropped) records dropped here") == true })
            #expect(server.lines.count == 201 - Int(dropped) + 1)
            #expect(fallback.messages.last == "tcp:127.0.0.1:\(port) works again; 1 records were dropped meanwhile")
            let ledger = await handler.close()
            #expect(ledger.balances && ledger.pending == 0)
            await server.vanish()
        }
    }

    @Test("at the end of a loop without a connection one more attempt is made, and what is lost is said, once")
    func endWithout() throws {
        try onLoop {
            let port = Ports.next()
            let fallback = MemoryHandler()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(),
                backoff: Backoff(first: .seconds(3600), longest: .seconds(3600)))
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            await logger.info("lost")
            await #expect(throws: IOError.self) { try await logger.flush() }
            // A server that comes in time gets it, although the next attempt is an hour away.
            let server = try await LogServer(on: .loopback(port: port))
            let ledger = await logger.shutdown(within: .seconds(60))
            #expect(ledger.written == 1 && fallback.records.isEmpty)
            #expect(await eventually { server.lines == ["lost"] })
            await server.vanish()
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            await logger.info("lost for good")
            let last = await logger.shutdown(within: .seconds(60))
            #expect(last.dropped == [.failure: 1] && last.pending == 0)
            #expect(
                fallback.messages == [
                    "connect tcp:127.0.0.1:\(port): connection refused (ECONNREFUSED); 1 of 2 records dropped"
                ])
            await handler.close()
        }
    }

    #if DEBUG
    @Test(
        "whichever call fails, of all that connecting and sending take: every record arrives once, in order",
        arguments: [
            Errno.interrupted, .ioError, .brokenPipe, .connectionRefused, .connectionReset, .noMemory,
            .tooManyOpenFiles, .noSpace,
            .readOnlyFileSystem,
            .diskQuotaExceeded, .timedOut, .networkUnreachable,
        ])
    func failingCalls(errno: Errno) throws {
        for number in 1...100 {
            let server = try SilentServer()
            let faults = Faults(.errno(errno), at: number)
            try onLoop {
                let handler = SocketHandler(
                    .tcp("127.0.0.1", port: server.port), formatter: MessageFormatter(), backoff: quick)
                let logger = Logger("app", handlers: [handler])
                Faults.install(faults)
                for index in 0..<3 {
                    await logger.info("\(index)")
                    #expect(await eventually { await handler.statistics.ledger.written == index + 1 }, "call \(number)")
                }
                Faults.install(nil)
                let ledger = await handler.close()
                #expect(ledger.balances && ledger.droppedTotal == 0, "call \(number): \(ledger)")
            }
            #expect(server.received() == "0\n1\n2\n", "call \(number)")
            guard faults.hasStruck else {
                #expect(number > 5, "nothing was hurt: the calls do not come by the seam")
                return
            }
        }
        Issue.record("a hundred calls and no end")
    }
    #endif

    // MARK: Datagrams

    @Test(
        "Unix datagrams: a reader that is slow makes records wait; each is a datagram, none is lost, and many go with one call"
    )
    func slowReader() throws {
        let folder = try TemporaryFolder()
        let receiver = try DatagramReceiver(path: folder.file("log"))
        try onLoop {
            let handler = SocketHandler(.unixDatagrams(folder.file("log")), formatter: MessageFormatter())
            let logger = Logger("app", handlers: [handler])
            for index in 0..<2000 { await logger.info("record \(index)") }
            try await EventLoop.sleep(for: .milliseconds(50))
            #expect(await handler.statistics.ledger.pending > 0, "the kernel has taken everything")
            var received: [String] = []
            #expect(
                await eventually {
                    received += receiver.receive(3)
                    return received.count == 2000
                })
            #expect(received == (0..<2000).map { "record \($0)\n" })
            let ledger = await handler.close()
            #expect(ledger.written == 2000 && ledger.writeCalls < 1900)
        }
        receiver.vanish()
    }

    @Test("Unix datagrams: a reader that goes and comes again gets what was logged meanwhile")
    func readerReturns() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("log")
        let first = try DatagramReceiver(path: path)
        try onLoop {
            let handler = SocketHandler(.unixDatagrams(path), formatter: MessageFormatter(), backoff: quick)
            let logger = Logger("app", handlers: [handler])
            await logger.info("one")
            try await logger.flush()
            #expect(first.receive() == ["one\n"])
            first.vanish()
            for index in 0..<100 { await logger.info("\(index)") }
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            let second = try DatagramReceiver(path: path)
            var received: [String] = []
            #expect(
                await eventually {
                    received += second.receive()
                    return received.count == 100
                })
            #expect(received == (0..<100).map { "\($0)\n" })
            #expect(await handler.state == .ready)
            #expect(await handler.close().droppedTotal == 0)
            second.vanish()
        }
    }

    @Test("a datagram that is larger than the kernel takes is dropped and counted, and those behind it go out")
    func tooLarge() throws {
        let folder = try TemporaryFolder()
        let receiver = try DatagramReceiver(path: folder.file("log"))
        try onLoop {
            let handler = SocketHandler(
                .unixDatagrams(folder.file("log")), formatter: MessageFormatter(), spool: .memory(8 << 20),
                maximumLineLength: 4 << 20)
            let logger = Logger("app", handlers: [handler])
            await logger.info("before")
            await logger.info("\(String(repeating: "x", count: 2 << 20))")
            await logger.info("behind")
            try await logger.flush()
            #expect(receiver.receive() == ["before\n", "behind\n", "1 records dropped here: 2 to 2\n"])
            let ledger = await handler.close()
            #expect(ledger.dropped == [.failure: 1] && ledger.written == 2 && ledger.balances)
        }
        receiver.vanish()
    }

    @Test(
        "UDP: a receiver that is not there costs a record an attempt, not all of them; when it is there, the rest arrives"
    )
    func udp() throws {
        try onLoop {
            let first = try DatagramReceiver()
            let port = first.port
            let handler = SocketHandler(
                .udp("127.0.0.1", port: port), formatter: MessageFormatter(),
                backoff: Backoff(first: .milliseconds(100), longest: .milliseconds(200))
            )
            let logger = Logger("app", handlers: [handler])
            await logger.info("one")
            try await logger.flush()
            #expect(first.receive() == ["one\n"])
            first.vanish()
            await logger.info("refused")
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            for index in 0..<100 { await logger.info("\(index)") }
            try await EventLoop.sleep(for: .milliseconds(300))
            if case .ready = await handler.state { Issue.record("a receiver that is not there is said to work") }
            let second = try DatagramReceiver(port: port)
            var received: [String] = []
            #expect(
                await eventually {
                    received += second.receive()
                    return received.last == "99\n"
                })
            #expect(received.count > 85, "\(received.count) of 100 arrived")
            #expect(await eventually { await handler.state == .ready })
            await handler.close()
            second.vanish()
        }
    }
}
