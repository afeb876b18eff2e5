// Spools that are damaged, or that others could have got at: what is whole is sent, what is lost is counted and said,
// what is not ours is refused.
#if DEBUG
import AsyncLog
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

private let quick = Backoff(first: .milliseconds(2), longest: .milliseconds(10))

@Suite("Damaged spools")
struct SpoolDamageTests {
    private let folder: TemporaryFolder
    private var path: String { folder.file("spool") }

    init() throws { folder = try TemporaryFolder() }

    private func handler(_ port: UInt16, _ framing: Framing, _ path: String? = nil) -> SocketHandler<MessageFormatter> {
        SocketHandler(
            .tcp("127.0.0.1", port: port), formatter: MessageFormatter(), framing: framing,
            spool: .disk(path ?? self.path), backoff: quick)
    }

    private static let filler = "01234567890123456789012345678901234567890123456789"

    /// Leaves a spool behind with records that no server has got.
    private func fill(_ framing: Framing, _ count: Int, _ port: UInt16) throws {
        try onLoop {
            let handler = handler(port, framing)
            let logger = Logger("app", handlers: [handler])
            for index in 0..<count {
                await logger.info("record \(index) \(Self.filler)")
                // Several writes, so that there are several marks.
                if index % 40 == 39 { try await logger.flush() }
            }
            await handler.close()
        }
    }

    private func overwrite(_ offset: Int, _ bytes: [UInt8]) {
        let file = Glibc.open(path, O_WRONLY)
        defer { close(file) }
        #expect(pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count)
    }

    /// The numbers of the records that a server gets, whether it gets anything else, and what the handler says of it.
    private func send(_ framing: Framing, _ port: UInt16, until last: Int) throws -> (
        records: [Int], others: [String], said: [String]
    ) {
        try onLoop {
            let fallback = MemoryHandler()
            let server = try await LogServer(on: .loopback(port: port))
            let handler = handler(port, framing)
            handler.reportTroubles(to: fallback)
            await Logger("app", handlers: [handler]).info("record \(last) the last")
            #expect(await eventually { server.text.contains("the last\n") })
            await handler.close()
            await server.vanish()
            let frames = server.lines.map { framing == .newline ? $0 : String($0.drop { $0 != " " }.dropFirst()) }
            let numbers = frames.map { frame -> Int? in
                let number = frame.hasPrefix("record ") ? Int(frame.dropFirst(7).prefix { $0 != " " }) : nil
                return number.flatMap { number in
                    ["the last", "raw", Self.filler].contains { "record \(number) \($0)" == frame } ? number : nil
                }
            }
            return (
                numbers.compactMap { $0 }, zip(frames, numbers).filter { $1 == nil }.map { $0.0 }, fallback.messages
            )
        }
    }

    @Test(
        "a page of zeros, or of noise, in the middle: only the records in it are lost, their number is said, those behind it are sent, and no garbage",
        arguments: [Framing.newline, .octetCounting], [true, false])
    func damagedPage(framing: Framing, isNoise: Bool) throws {
        let port = Ports.next()
        try fill(framing, 200, port)
        let spool = SpoolReader(path)
        #expect(spool.records.count == 200)
        var random = SeededGenerator(state: 29)
        overwrite(4096, (0..<4096).map { _ in isNoise ? UInt8.random(in: 0...255, using: &random) : 0 })
        let touched = spool.records.indices.filter {
            spool.records[$0].start < 8192 && spool.records[$0].start + 24 + spool.records[$0].bytes.count > 4096
        }
        let (records, others, said) = try send(framing, port, until: 200)
        #expect(records == (0...200).filter { !touched.contains($0) } && others.isEmpty, "\(others)")
        #expect(
            said.count == 1 && said[0].hasSuffix("bytes in it are damaged; \(touched.count) records are lost"),
            "\(said)")
    }

    @Test("one bit anywhere: at most one record is lost, and none is changed")
    func oneBit() throws {
        let port = Ports.next()
        for seed in 0..<12 {
            unlink(path)
            try fill(.newline, 20, port)
            var random = SeededGenerator(state: UInt64(seed))
            let offset = Int.random(in: 64..<SpoolReader(path).size, using: &random)
            let byte = try readAll(path: path)[offset]
            overwrite(offset, [byte ^ 1 << UInt8.random(in: 0..<8, using: &random)])
            let (records, others, _) = try send(.newline, port, until: 20)
            #expect(
                Set(0...20).subtracting(records).count <= 1 && records == records.sorted() && others.isEmpty,
                "seed \(seed)")
        }
    }

    @Test(
        "the first page, with the header in it: what stands behind it is sent, and it is said that some may come twice")
    func damagedHeader() throws {
        let port = Ports.next()
        try fill(.newline, 200, port)
        let spool = SpoolReader(path)
        overwrite(0, [UInt8](repeating: 0, count: 4096))
        let lost = spool.records.indices.filter { spool.records[$0].start < 4096 }
        let (records, others, said) = try send(.newline, port, until: 200)
        #expect(records == (0...200).filter { !lost.contains($0) } && others.isEmpty)
        #expect(said.contains { $0.contains("its header is damaged") }, "\(said)")
    }

    @Test(
        "the last page: what stands before it is sent, the rest is cut off and said",
        arguments: [Framing.newline, .octetCounting],
        [true, false])
    func damagedEnd(framing: Framing, isNoise: Bool) throws {
        let port = Ports.next()
        try fill(framing, 200, port)
        let spool = SpoolReader(path)
        var random = SeededGenerator(state: 31)
        // Noise without zeros, by which alone it could be told from text.
        overwrite(spool.size - 4096, (0..<4096).map { _ in isNoise ? UInt8.random(in: 1...255, using: &random) : 0 })
        let whole = spool.records.indices.filter {
            spool.records[$0].start + 24 + spool.records[$0].bytes.count <= spool.size - 4096
        }
        let (records, others, said) = try send(framing, port, until: 200)
        #expect(records == whole.map { $0 } + [200] && others.isEmpty, "\(others)")
        #expect(said.contains { $0.hasSuffix("bytes of a record that was not finished have been cut off") }, "\(said)")
    }

    @Test(
        "what a crash handler has written behind the last mark is sent with the rest, once",
        arguments: [Framing.newline, .octetCounting])
    func crash(framing: Framing) throws {
        let port = Ports.next()
        try fill(framing, 10, port)
        let raw = (10..<15).map { "record \($0) raw\n" }.map { framing == .newline ? $0 : "\($0.utf8.count) \($0)" }
            .joined()
        let file = Glibc.open(path, O_WRONLY | O_APPEND)
        _ = raw.withCString { write(file, $0, strlen($0)) }
        close(file)
        #expect(try send(framing, port, until: 15) == ((0...15).map { $0 }, [], []))
    }

    @Test(
        "a program that crashes: what it has left in memory is in the spool, with the last line, and is sent by the next one"
    )
    func realCrash() throws {
        let port = Ports.next()
        let child = try ChildProcess("LogProgram", ["spool-crash", path, "\(port)"], error: .descriptor(2))
        #expect(try child.wait() == .signalled(SIGABRT))
        let (records, others, said) = try send(.newline, port, until: 20)
        #expect(records == Array(0...20) && said == [], "\(said)")
        #expect(others.count == 1 && others[0].contains("crashed: SIGABRT"), "\(others)")
    }

    @Test(
        "a spool that others may write to, that another user owns, or that is a symbolic link, is refused; the reason is said, and it is not touched"
    )
    func notPrivate() throws {
        let port = Ports.next()
        try fill(.newline, 3, port)
        let before = try readAll(path: path)
        chmod(path, 0o666)
        symlink(path, folder.file("link"))
        let foreign = folder.file("foreign")
        close(Glibc.open(foreign, O_WRONLY | O_CREAT, 0o600))
        var refused = [(path, "owner \(geteuid()), mode 666"), (folder.file("link"), "ELOOP")]
        if geteuid() == 0, chown(foreign, 1234, 1234) == 0 { refused.append((foreign, "owner 1234, mode 600")) }
        for (path, reason) in refused {
            try onLoop {
                let handler = handler(port, .newline, path)
                await Logger("app", handlers: [handler]).info("kept in memory")
                // The connection's trouble and the spool's take turns.
                var seen = ""
                for await state in handler.states {
                    seen = "\(state)"
                    if seen.contains("open \"\(path)\"") { break }
                }
                #expect(seen.hasPrefix("degraded: ") && seen.contains(reason), "\(seen)")
                await handler.close(within: .zero)
            }
        }
        #expect(try readAll(path: path) == before)
        chmod(path, 0o600)
        #expect(try send(.newline, port, until: 3).records == [0, 1, 2, 3])
    }

    @Test(
        "whatever is done to a spool: records that were not touched come out, in order, unchanged, and nothing else does"
    )
    func anyDamage() throws {
        var random = SeededGenerator(state: 2900)
        for round in 0..<150 {
            unlink(path)
            let texts = (0..<Int.random(in: 1...60, using: &random)).map { index in
                "\(index) " + String(repeating: "x", count: Int.random(in: 0...3000, using: &random)) + "\n"
            }
            let file = try SpoolFile.open(path, title: "asynclog spool", .newline).get().file
            for text in texts {
                var bytes = Array(text.utf8)
                let outcome = bytes.withUnsafeMutableBytes { bytes in
                    withUnsafePointer(to: iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)) {
                        file.append(Vectors(start: $0, count: 1), [bytes.count])
                    }
                }
                #expect(outcome == .bytes(bytes.count))
            }
            file.unlock()
            close(file.tail)
            let spool = SpoolReader(path)
            var contents = try readAll(path: path)
            let begin = Int.random(in: 64..<contents.count, using: &random)
            let damage = begin..<min(contents.count, begin + Int.random(in: 1...5000, using: &random))
            switch round % 5 {
            case 0: for index in damage { contents[index] = 0 }
            case 1: for index in damage { contents[index] = UInt8.random(in: 1...255, using: &random) }
            case 2: contents.removeSubrange(damage)
            case 3: contents.insert(contentsOf: contents[damage], at: damage.lowerBound)
            default: contents.removeSubrange(damage.lowerBound...)
            }
            truncate(path, 0)
            overwrite(0, contents)
            let opened = try SpoolFile.open(path, title: "asynclog spool", .newline).get()
            defer { close(opened.file.tail) }
            var (position, expected) = (opened.head, opened.number)
            var found: [UInt64: [UInt8]] = [:]
            var last: UInt64 = 0
            while position < opened.file.end {
                let batch = try opened.file.records(from: position, to: opened.file.end, expecting: expected)
                var offset = 0
                for record in batch.records {
                    #expect(record.number > last || round % 5 == 3, "round \(round)")
                    last = record.number
                    found[record.number] = Array(batch.bytes[offset..<offset + record.length])
                    offset += record.length
                }
                (position, expected) = (batch.end, batch.expected)
            }
            for (number, bytes) in found {
                #expect(number <= texts.count && Array(texts[Int(number) - 1].utf8) == bytes, "round \(round)")
            }
            for record in spool.records {
                let extent = record.start..<record.start + 24 + record.bytes.count
                let isUntouched = round % 5 == 4 ? extent.upperBound <= damage.lowerBound : !extent.overlaps(damage)
                if isUntouched {
                    #expect(found[record.number] == record.bytes, "round \(round), record \(record.number)")
                }
            }
        }
    }

    @Test("the checksum is CRC-32C")
    func checksum() {
        func checksum(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.checksum($0) } }
        // RFC 3720, B.4
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(checksum((0..<32).map { $0 }) == 0x46DD_794E)
        #expect(checksum(Array("123456789".utf8)) == 0xE306_9283 && checksum([]) == 0)
    }
}
#endif
