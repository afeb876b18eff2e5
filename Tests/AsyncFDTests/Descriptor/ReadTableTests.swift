// Reading from descriptors of every kind that other code owns: what is there, when it is there, and without a trace on
// them.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Reading from what is not ours")
struct ReadTableTests {
    @Test("a read waits for bytes without touching the descriptor's flags", arguments: Row.allCases)
    func waits(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let before = channel.flags
            let input = channel.input()
            async let reading = input.read(upTo: 100)
            await settle()
            let during = channel.flags
            write(channel.writer, "hello", 5)
            #expect(try await reading == Array("hello".utf8))
            #expect(during == before && channel.flags == before)
            await input.close()
            #expect(channel.flags == before, "a borrowed descriptor was closed")
        }
    }

    @Test(
        "bytes that were there before the first read are read without waiting, in pieces of any size",
        arguments: Row.streams)
    func pieces(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            write(channel.writer, "hello", 5)
            let input = channel.input()
            var received: [UInt8] = []
            for size in [1, 2, 100] { received += try await input.read(upTo: size) }
            #expect(received == Array("hello".utf8))
        }
    }

    @Test("a cancelled read ends at once and takes no byte with it", arguments: Row.allCases)
    func cancellation(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            let reading = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await input.read(upTo: 100) }
            }
            await settle()
            reading.cancel()
            #expect(await reading.value?.code == .cancelled)
            write(channel.writer, "hello", 5)
            #expect(try await input.read(upTo: 100) == Array("hello".utf8))
        }
    }

    @Test("a task that is cancelled already does not begin to wait", arguments: Row.allCases)
    func cancelledBefore(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            let reading = Task(executorPreference: EventLoop.current!) {
                while !Task.isCancelled { await Task.yield() }
                return await failure { () throws(IOError) in _ = try await input.read(upTo: 100) }
            }
            reading.cancel()
            #expect(await reading.value?.code == .cancelled)
        }
    }

    @Test("the end of the stream is nothing, again and again", arguments: Row.allCases.filter { $0 != .terminalMaster })
    func end(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            write(channel.writer, "last", 4)
            async let early = input.read(upTo: 100)
            channel.closeWriter()
            #expect(try await early == Array("last".utf8))
            for _ in 0..<3 { #expect(try await input.read(upTo: 100).isEmpty) }
        }
    }

    @Test("the end of the stream wakes a task that waits for bytes", arguments: Row.allCases)
    func endWhileWaiting(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            async let reading = input.read(upTo: 100)
            await settle()
            channel.closeWriter()
            #expect(try await reading.isEmpty)
        }
    }

    @Test("closing wakes a task that waits to read", arguments: Row.allCases)
    func closeWhileWaiting(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            let reading = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await input.read(upTo: 100) }
            }
            await settle()
            await input.close()
            #expect(await reading.value?.code == .closed)
            #expect(await failure { () throws(IOError) in _ = try await input.read(upTo: 100) }?.code == .closed)
        }
    }

    @Test("a second reader is told so, and the first goes on", arguments: Row.allCases)
    func busy(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let input = channel.input()
            async let first = input.read(upTo: 100)
            await settle()
            #expect(await failure { () throws(IOError) in _ = try await input.read(upTo: 100) }?.code == .busy)
            write(channel.writer, "x", 1)
            #expect(try await first == [UInt8(ascii: "x")])
        }
    }

    @Test(
        "bytes in both directions of one descriptor do not hold each other up",
        arguments: [Row.socket, .terminal, .terminalMaster])
    func duplex(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            let (left, right) = (channel.output(), channel.input())
            async let there = left.write(pattern(200_000))
            async let back = right.write(pattern(100_000))
            async let arrivedThere = right.gather(200_000)
            async let arrivedBack = left.gather(100_000)
            _ = try await (there, back)
            #expect(try await arrivedThere == pattern(200_000))
            #expect(try await arrivedBack == pattern(100_000))
        }
    }

    @Test("devices, files and folders")
    func others() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run { () async throws in
            func own(_ path: String) -> AsyncFD {
                AsyncFD(owning: FileDescriptor(rawValue: open(path, O_RDONLY | O_CLOEXEC)), label: path)
            }
            #expect(try await own("/dev/null").read(upTo: 10).isEmpty)
            #expect(try await own("/dev/zero").read(upTo: 10) == [UInt8](repeating: 0, count: 10))
            #expect(try await own("/dev/urandom").read(upTo: 10).count == 10)
            #expect(try await own("/proc/self/status").read(upTo: 10).count == 10)
            #expect(
                await failure { () throws(IOError) in _ = try await own(folder.path).read(upTo: 1) }?.errno
                    == .isDirectory)
        }
    }

    @Test("a borrowed file is read from the position that is shared with others")
    func sharedFile() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run { () async throws in
            let descriptor = open(folder.file("in"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            defer { close(descriptor) }
            write(descriptor, "one two three", 13)
            lseek(descriptor, 4, SEEK_SET)
            let input = AsyncFD(borrowing: FileDescriptor(rawValue: descriptor))
            #expect(try await input.read(upTo: 4) == Array("two ".utf8))
            #expect(lseek(descriptor, 0, SEEK_CUR) == 8)
        }
    }

    @Test(
        "a device that epoll watches is asked before each call, in both directions, and by each of several objects for one number"
    )
    func watchedDevice() throws {
        try EventLoop.run { () async throws in
            let descriptor = open("/dev/random", O_RDWR | O_CLOEXEC)
            defer { close(descriptor) }
            for device in [
                AsyncFD(borrowing: FileDescriptor(rawValue: descriptor)),
                AsyncFD(borrowing: FileDescriptor(rawValue: descriptor)),
            ] {
                #expect(device.kind == .characterDevice)
                #expect(try await device.read(upTo: 8).count == 8)
                #expect(await device.isBlocking)
                #expect(try await device.read(upTo: 8).count == 8)
            }
        }
    }
}
