// Records that wait on disk: in order, bounded, there after a restart, and not confused by what a crash has left.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import SystemPackage
import TestSupport
import Testing

private let quick = Backoff(first: .milliseconds(2), longest: .milliseconds(10))

@Suite("Spool on disk")
struct DiskSpoolTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("spool") }

    init() throws { folder = try TemporaryFolder() }

    /// The records that stand in the file, read by nothing but what the format's description says.
    private func contents() -> String {
        SpoolReader(path).records.map { String(decoding: $0.bytes, as: UTF8.self) }.joined()
    }

    private func append(_ text: String) {
        let file = Glibc.open(path, O_WRONLY | O_APPEND)
        _ = text.withCString { write(file, $0, strlen($0)) }
        close(file)
    }

    @Test(
        "what is logged without a connection is on disk, survives the program's end, and is sent first, in order, by the next one",
        arguments: [Framing.newline, .octetCounting])
    func restart(framing: Framing) throws {
        func made(_ port: UInt16) -> SocketHandler<MessageFormatter> {
            SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), framing: framing, spool: .disk(path),
                backoff: quick)
        }
        func framed(_ text: String) -> String { framing == .newline ? text + "\n" : "\(text.utf8.count + 1) \(text)\n" }
        let port = Ports.next()
        for run in 0..<3 {
            try onLoop {
                let logger = Logger("app", handlers: [made(port)])
                for index in 0..<100 { await logger.info("run \(run) record \(index)") }
            }
        }
        let expected = (0..<300).map { framed("run \($0 / 100) record \($0 % 100)") }.joined()
        #expect(contents() == expected)
        try onLoop {
            let server = try await LogServer(on: .loopback(port: port))
            let handler = made(port)
            let logger = Logger("app", handlers: [handler])
            await logger.info("the last")
            #expect(await eventually { server.text.utf8.count >= (expected + framed("the last")).utf8.count })
            #expect(server.text == expected + framed("the last"))
            #expect(await eventually { contents().isEmpty }, "a spool that has been sent is not emptied")
            await logger.info("without the disk")
            try await logger.flush()
            #expect(await eventually { server.text.hasSuffix(framed("without the disk")) })
            #expect(contents().isEmpty)
            #expect(await handler.state == .ready)
            await handler.close()
            await server.vanish()
        }
    }

    @Test(
        "a server that comes and goes all the time: every record arrives, in order; none is sent twice but those that were on their way"
    )
    func comingAndGoing() throws {
        try onLoop {
            let port = Ports.next()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), spool: .disk(path), backoff: quick)
            let logger = Logger("app", handlers: [handler])
            var arrived: [Int] = []
            for round in 0..<6 {
                for index in 0..<200 { await logger.info("\(round * 400 + index)") }
                let server = try await LogServer(on: .loopback(port: port))
                for index in 200..<400 {
                    await logger.info("\(round * 400 + index)")
                    if index % 10 == 0 { try await EventLoop.sleep(for: .microseconds(100)) }
                }
                #expect(await eventually { server.lines.last == "\(round * 400 + 399)" })
                arrived += server.lines.compactMap { Int($0) }
                await server.vanish()
                #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            }
            #expect(arrived == Array(0..<2400))
            let ledger = await handler.close()
            #expect(ledger.balances && ledger.droppedTotal == 0)
        }
    }

    @Test(
        "a torn record at the end, as a crash leaves it, is cut off and said; the whole ones before it are sent",
        arguments: [Framing.newline, .octetCounting])
    func torn(framing: Framing) throws {
        try onLoop {
            let port = Ports.next()
            let first = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), framing: framing, spool: .disk(path),
                backoff: quick)
            let logger = Logger("app", handlers: [first])
            await logger.info("whole")
            await first.close()
            append(framing == .newline ? "half a rec" : "20 half a rec")
            let fallback = MemoryHandler()
            let second = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), framing: framing, spool: .disk(path),
                backoff: quick)
            second.reportTroubles(to: fallback)
            let other = Logger("app", handlers: [second])
            await other.info("behind")
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { server.text.hasSuffix("behind\n") })
            #expect(server.text == (framing == .newline ? "whole\nbehind\n" : "6 whole\n7 behind\n"))
            #expect(
                fallback.messages.first?.hasSuffix("bytes of a record that was not finished have been cut off") == true)
            await second.close()
            await server.vanish()
        }
    }

    @Test(
        "a spool that is full: the file does not grow, then memory fills, then records are dropped and counted; all is well when it has been sent"
    )
    func full() throws {
        try onLoop {
            let port = Ports.next()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(),
                spool: .disk(path, upTo: 1064, memory: 1000), reserve: 0,
                overflow: .dropNewest,
                backoff: quick)
            let logger = Logger("app", handlers: [handler])
            // One by one until the file is full. Faster than the disk, memory would be full first, and the report of
            // what was dropped then would be in the file.
            var logged = 0
            var failure: IOError?
            while failure == nil, logged < 500 {
                await logger.info("record \(logged)")
                logged += 1
                do { try await logger.flush() } catch { failure = error as? IOError }
            }
            #expect(failure?.code == .noSpace)
            guard case .failed = await handler.state else { throw Unexpected("\(await handler.state)") }
            for index in logged..<500 { await logger.info("record \(index)") }
            await #expect { try await logger.flush() } throws: { ($0 as? IOError)?.code == .noSpace }
            #expect(SpoolReader(path).size <= 1064 && SpoolReader(path).size > 964)
            let before = await handler.statistics
            #expect(
                before.ledger.balances && before.ledger.droppedTotal > 300 && before.pendingBytes > 900
                    && before.spooledBytes > 900)
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { await handler.state == .ready })
            #expect(await eventually { server.lines.contains { $0.contains("records dropped here") } })
            let numbers = server.lines.compactMap { Int($0.dropFirst("record ".count)) }
            #expect(numbers == Array(0..<500 - Int(before.ledger.droppedTotal)))
            await handler.close()
            await server.vanish()
        }
    }

    @Test(
        "Unix datagrams wait on disk, too, and are datagrams again when they are sent; a reader that goes meanwhile loses none"
    )
    func datagrams() throws {
        let name = folder.file("log")
        try onLoop {
            let handler = SocketHandler(
                .unixDatagrams(name), formatter: MessageFormatter(), spool: .disk(path), backoff: quick)
            let logger = Logger("app", handlers: [handler])
            var received: [String] = []
            for round in 0..<3 {
                for index in 0..<300 { await logger.info("\(round * 300 + index)") }
                #expect(await eventually { await handler.statistics.spooledBytes > 0 })
                var receiver = try DatagramReceiver(path: name)
                // It reads a part of what there is, and is replaced by another.
                #expect(
                    await eventually {
                        received += receiver.receive(7)
                        return received.count > round * 300 + 50
                    })
                received += receiver.receive()
                receiver.vanish()
                received += receiver.receive()
                receiver = try DatagramReceiver(path: name)
                #expect(
                    await eventually {
                        received += receiver.receive()
                        return received.last == "\(round * 300 + 299)\n"
                    })
                #expect(await eventually { await handler.state == .ready })
                receiver.vanish()
            }
            // What the kernel held for the first reader goes with it; nothing comes twice or out of order.
            let numbers = received.compactMap { Int($0.dropLast()) }
            #expect(numbers == Array(Set(numbers)).sorted() && numbers.count > 800)
            #expect(await handler.close().droppedTotal == 0)
        }
    }

    @Test("two handlers do not share a file, and a file that is no spool is left alone; both go on without")
    func locked() throws {
        try onLoop {
            let port = Ports.next()
            func made(_ path: String) -> SocketHandler<MessageFormatter> {
                SocketHandler(
                    .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), spool: .disk(path), backoff: quick)
            }
            let foreign = folder.file("foreign")
            let file = Glibc.open(foreign, O_WRONLY | O_CREAT, 0o600)
            _ = write(file, "another program's, and rather long for a file of that kind: more than a header\n", 77)
            close(file)
            let handlers = [made(path), made(path), made(foreign)]
            for (index, handler) in handlers.enumerated() { await Logger("app", handlers: [handler]).info("\(index)") }
            #expect(
                await eventually {
                    if case .degraded(let reason) = await handlers[1].state {
                        reason.subject.contains("\(port)")
                    } else {
                        false
                    }
                })
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { Set(server.lines) == ["0", "1", "2"] })
            // Which of the two has the file is for the threads to decide that open it.
            #expect(await eventually { await [handlers[0].state, handlers[1].state].contains(.ready) })
            let loser = await handlers[0].state == .ready ? handlers[1] : handlers[0]
            guard case .degraded(let lock) = await loser.state else { throw Unexpected("\(await loser.state)") }
            #expect(lock.operation == "lock" && lock.subject == "\"\(path)\"")
            for handler in handlers { await handler.close() }
            var status = stat()
            #expect(stat(foreign, &status) == 0 && status.st_size == 77)
            await server.vanish()
        }
    }

    @Test(
        "a disk that is full: the handler fails, keeps what it has, and goes on when there is room",
        .enabled(if: mountIsPossible, "skipped: no tmpfs can be mounted"))
    func diskFull() throws {
        let disk = try FullDisk()
        try onLoop {
            let port = Ports.next()
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), spool: .disk(disk.path + "/spool"),
                backoff: quick)
            let logger = Logger("app", handlers: [handler])
            await logger.info("first")
            try await logger.flush()
            try disk.fill()
            for index in 0..<2000 { await logger.info("\(index) \(String(repeating: "x", count: 100))") }
            func isFull() async -> Bool {
                if case .failed(let reason) = await handler.state { reason.errno == .noSpace } else { false }
            }
            #expect(await eventually(isFull))
            // In vain a connection is tried again and again meanwhile: that is no news.
            for _ in 0..<50 {
                try await EventLoop.sleep(for: .milliseconds(1))
                #expect(await isFull())
            }
            disk.empty()
            #expect(await eventually { await handler.statistics.ledger.pending == 0 })
            let server = try await LogServer(on: .loopback(port: port))
            #expect(await eventually { server.lines.count == 2001 })
            #expect(server.lines.dropFirst().enumerated().allSatisfy { $1.hasPrefix("\($0) ") && $1.hasSuffix("xxx") })
            #expect(await handler.close().droppedTotal == 0)
            await server.vanish()
        }
    }
}

/// A tmpfs of a mebibyte that can be filled and emptied.
private final class FullDisk {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    init() throws {
        folder = try TemporaryFolder()
        guard mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0 else {
            throw SystemError(operation: "mount", errno: errno)
        }
    }

    deinit { umount2(folder.path, CInt(MNT_DETACH)) }

    func fill() throws {
        let file = open(folder.file("filler"), O_WRONLY | O_CREAT, 0o600)
        let bytes = [UInt8](repeating: 0, count: 4096)
        while write(file, bytes, bytes.count) > 0 {}
        close(file)
    }

    func empty() { unlink(folder.file("filler")) }
}

private let mountIsPossible: Bool = {
    guard let folder = try? TemporaryFolder(), mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") == 0 else {
        return false
    }
    umount2(folder.path, CInt(MNT_DETACH))
    return true
}()
