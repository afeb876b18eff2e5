// Copying between all kinds of descriptors: the same bytes, however the kernel moves them.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Copy")
struct CopyTests {
    enum End: String, CaseIterable {
        case file, borrowedPipe, ownPipe, ownSocket, borrowedSocket, terminal
    }

    /// An end of the copy, the test's side of it, and what keeps both open.
    private struct Place: Sendable {
        let ours: AsyncFD
        let theirs: AsyncFD
        var channel: Channel?
    }

    private static func place(_ end: End, _ path: FilePath, isSource: Bool) async throws -> Place {
        switch end {
        case .file:
            let ours = try await open(path, .readWrite, options: .create)
            return Place(ours: ours, theirs: try await open(path, .readWrite))
        case .ownPipe:
            let (reader, writer) = try await AsyncFD.pipe(isShared: false)
            return isSource ? Place(ours: reader, theirs: writer) : Place(ours: writer, theirs: reader)
        case .ownSocket:
            let (one, two) = try await AsyncFD.socketPair(isShared: false)
            return Place(ours: one, theirs: two)
        case .borrowedPipe, .borrowedSocket, .terminal:
            let channel = try Channel(end == .borrowedPipe ? .pipe : end == .borrowedSocket ? .socket : .terminal)
            let (input, output) = (channel.input(), channel.output())
            return isSource
                ? Place(ours: input, theirs: output, channel: channel)
                : Place(ours: output, theirs: input, channel: channel)
        }
    }

    private static func feed(_ place: Place, _ bytes: [UInt8]) async throws {
        try await place.theirs.write(bytes)
        place.channel?.closeWriter()
        await place.theirs.close()
    }

    @Test("every kind to every kind, with some of it read ahead", arguments: End.allCases, End.allCases)
    func everything(from: End, to: End) throws {
        let folder = try TemporaryFolder()
        let bytes = Array("first line\n".utf8) + pattern(from == .terminal || to == .terminal ? 30_000 : 700_000)
        let paths = (FilePath(folder.file("in")), FilePath(folder.file("out")))
        try EventLoop.run { () async throws in
            let source = try await CopyTests.place(from, paths.0, isSource: true)
            let destination = try await CopyTests.place(to, paths.1, isSource: false)
            if from == .file { try await CopyTests.feed(source, bytes) }
            async let feeding: Void = from == .file ? () : CopyTests.feed(source, bytes)
            let first = try await source.ours.lines.makeAsyncIterator().next()
            #expect(first == "first line")
            async let gathered = destination.theirs.gather(to == .file ? 0 : bytes.count - 11)
            let count = try await copy(from: source.ours, to: destination.ours)
            #expect(count == Int64(bytes.count - 11))
            try await feeding
            var received = try await gathered
            if to == .file { received = try await destination.theirs.readToEnd(limit: 1 << 20) }
            #expect(received == Array(bytes[11...]))
            for descriptor in [source.ours, destination.ours, destination.theirs] { await descriptor.close() }
        }
    }

    @Test("to a device, from a device, from /proc")
    func devices() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let channel = try Channel(.pipe)
            let null = try await open("/dev/null", .writeOnly)
            async let feeding: Void = {
                try await channel.output().write(pattern(500_000))
                channel.closeWriter()
            }()
            #expect(try await copy(from: channel.input(), to: null) == 500_000)
            try await feeding
            let status = try await open("/proc/self/status", .readOnly)
            let file = try await open(FilePath(folder.file("status")), .readWrite, options: .create)
            let count = try await copy(from: status, to: file)
            #expect(count > 100)
            #expect(try await file.size == count)
            let full = try await open("/dev/full", .writeOnly)
            try await file.seek(to: 0)
            #expect(await failure { () throws(IOError) in try await copy(from: file, to: full) }?.code == .noSpace)
            for descriptor in [null, status, file, full] { await descriptor.close() }
        }
    }

    @Test("an append-only file is appended to, and positions are kept")
    func appending() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let path = FilePath(folder.file("file"))
            let file = try await open(path, .writeOnly, options: [.create, .append])
            try await file.write("one\n")
            let (reader, writer) = try await AsyncFD.pipe(isShared: false)
            try await writer.write("two\n")
            await writer.close()
            try await copy(from: reader, to: file)
            try await file.write("three\n")
            let input = try await open(path, .readOnly)
            #expect(try await input.readToEnd(limit: 100) == Array("one\ntwo\nthree\n".utf8))
            for descriptor in [file, reader, input] { await descriptor.close() }
        }
    }

    @Test("a cancelled copy says how far it came, and can be taken up again", arguments: [Row.pipe, .socket])
    func cancellation(row: Row) throws {
        try EventLoop.run {
            let from = try Channel(row)
            let to = try Channel(row)
            let (source, destination, sink) = (from.input(), to.output(), to.input())
            let loop = EventLoop.current!
            let feeding = Task(executorPreference: loop) {
                try await from.output().write(pattern(900_000))
                from.closeWriter()
            }
            let copying = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await copy(from: source, to: destination) }
            }
            for _ in 0..<20 { await settle() }
            copying.cancel()
            let error = await copying.value
            #expect(error?.code == .cancelled)
            let rest = Task(executorPreference: loop) { try await copy(from: source, to: destination) }
            let received = try await sink.gather(900_000)
            #expect(received == pattern(900_000))
            #expect(try await rest.value == Int64(900_000 - error!.bytesWritten))
            try await feeding.value
        }
    }

    @Test("a reader that has gone is an error of the copy", arguments: [Row.pipe, .socket])
    func brokenPipe(row: Row) throws {
        try EventLoop.run {
            let from = try Channel(.pipe)
            let to = try Channel(row)
            write(from.writer, "hello", 5)
            to.closeReader()
            let error = await failure { () throws(IOError) in try await copy(from: from.input(), to: to.output()) }
            #expect(error?.code == .brokenPipe)
            #expect(error?.bytesWritten == 0)
        }
    }
}
