// Writing to files and devices, which are always ready, and what cannot be written.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Writing to files and devices")
struct WriteFileTests {
    // MARK: Always ready

    @Test("/dev/null takes everything at once")
    func devNull() throws {
        try EventLoop.run {
            let descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC)
            let output = AsyncFD(owning: FileDescriptor(rawValue: descriptor))
            #expect(output.kind == .characterDevice)
            try await output.write(pattern(1_000_000))
            #expect(await !output.isBlocking)
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK == 0)
            await output.close()
        }
    }

    @Test("/dev/full is a full device")
    func devFull() throws {
        try EventLoop.run {
            let output = AsyncFD(
                owning: FileDescriptor(rawValue: open("/dev/full", O_WRONLY | O_CLOEXEC)), label: "\"/dev/full\"")
            let error = try #require(await failure { () throws(IOError) in try await output.write("x") })
            #expect(error.code == .noSpace && error.bytesWritten == 0)
            #expect("\(error)" == "write \"/dev/full\": no space left on device (ENOSPC)")
            await output.close()
        }
    }

    // MARK: Files

    @Test(
        "a file that is shared with print keeps one position: no writer overwrites another", arguments: [0, O_APPEND])
    func sharedFile(flags: CInt) throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let descriptor = open(folder.file("out"), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0o600)
            defer { close(descriptor) }
            let output = AsyncFD(borrowing: FileDescriptor(rawValue: descriptor))
            write(descriptor, "one ", 4)
            try await output.write("two ")
            write(descriptor, "three ", 6)
            try await output.write("four")
            #expect(lseek(descriptor, 0, SEEK_CUR) == 18)
            lseek(descriptor, 0, SEEK_SET)
            #expect(readText(descriptor) == "one two three four")
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK == 0)
        }
    }

    @Test("a file is written on another thread")
    func fileOffTheLoop() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let descriptor = open(folder.file("out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            let output = AsyncFD(owning: FileDescriptor(rawValue: descriptor))
            let loop = EventLoop.current!
            #expect(loop.ioPool.threads == 0)
            try await output.write("x")
            #expect(loop.ioPool.threads == 1)
            #expect(await !output.isBlocking)
            await output.close()
        }
    }

    // MARK: What cannot be written

    @Test("a number that is no descriptor is an error that names it")
    func closedNumber() throws {
        try EventLoop.run {
            let error = await failure { () throws(IOError) in
                try await AsyncFD(borrowing: FileDescriptor(rawValue: 1_999_999)).write("x")
            }
            #expect(error.map { "\($0)" } == "write descriptor 1999999: bad file descriptor (EBADF)")
        }
    }

    @Test(
        "the reading end of a stream refuses to be written",
        arguments: [Row.pipe, .pipeWithoutNoWait, .pipePolled, .fifo])
    func wrongDirection(row: Row) throws {
        try EventLoop.run {
            let channel = try Channel(row)
            #expect(
                await failure { () throws(IOError) in try await channel.input().write("x") }?.code == .badDescriptor)
            #expect(
                await failure { () throws(IOError) in _ = try await channel.output().read(upTo: 1) }?.code
                    == .badDescriptor)
        }
    }

    @Test("nothing is written as nothing, and even that not after close")
    func emptyWrite() throws {
        try EventLoop.run {
            let channel = try Channel(.pipe)
            let output = channel.output()
            try await output.write("")
            try await output.write([UInt8]())
            await output.close()
            #expect(await failure { () throws(IOError) in try await output.write("") }?.code == .closed)
        }
    }
}
