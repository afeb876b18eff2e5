// The number of a descriptor that has been closed: the kernel gives it to the next that is opened, and nothing of ours
// may touch it.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("The number of a closed descriptor")
struct ClosedNumberTests {
    /// A socket that is bound to a port of its own.
    private static func bound() async throws -> AsyncFD { try await AsyncFD.datagrams(on: .loopback(port: 0)) }

    /// A duplicate with the lowest free number from `number` on: so high that no other test of this process gets it.
    private static func duplicate(_ descriptor: CInt, from number: CInt) -> CInt {
        fcntl(descriptor, F_DUPFD_CLOEXEC, number)
    }

    @Test(
        "addresses and options of a closed socket are not those of the socket that has its number now",
        arguments: [true, false])
    func accessors(owned: Bool) throws {
        try EventLoop.run {
            let (first, second) = (try await Self.bound(), try await Self.bound())
            let number = Self.duplicate(first.descriptor.rawValue, from: owned ? 700 : 720)
            let descriptor = FileDescriptor(rawValue: number)
            let socket = owned ? AsyncFD(owning: descriptor) : AsyncFD(borrowing: descriptor)
            #expect(try socket.localAddress == first.localAddress)
            await socket.close()
            if !owned { Glibc.close(number) }
            try #require(Self.duplicate(second.descriptor.rawValue, from: number) == number)

            for error in [
                await failure { () throws(IOError) in _ = try socket.localAddress },
                await failure { () throws(IOError) in _ = try socket.peerAddress },
                await failure { () throws(IOError) in _ = try socket.value(of: .reuseAddress) },
                await failure { () throws(IOError) in try socket.set(.reuseAddress, to: 1) },
            ] { #expect(error?.code == .closed) }
            #expect(try second.value(of: .reuseAddress) == 0)
            Glibc.close(number)
            await first.close()
            await second.close()
        }
    }

    @Test("a thread that asks for an address while the socket is closed never sees another socket's")
    func race() throws {
        try EventLoop.run {
            for _ in 0..<100 {
                let socket = try await Self.bound()
                let address = try socket.localAddress
                let wrong = Locked<[String]>([])
                let asking = Locked(0)
                let threads = try (0..<2).map { _ in
                    try runThread {
                        while true {
                            do throws(IOError) {
                                let seen = try socket.localAddress
                                if seen != address { wrong.withLock { $0.append("\(seen)") } }
                                asking.withLock { $0 += 1 }
                            } catch {
                                if error.code != .closed { wrong.withLock { $0.append("\(error)") } }
                                return
                            }
                        }
                    }
                }
                while asking.value < 20 { await Task.yield() }
                await socket.close()
                let successor = try await Self.bound()
                for thread in threads { pthread_join(thread, nil) }
                await successor.close()
                #expect(wrong.value == [])
            }
        }
    }

    @Test("a print to a file that has been closed is not written into the file that has its number now")
    func printToFile() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let files = try await [
                open(FilePath(folder.file("first")), .writeOnly, options: .create),
                open(FilePath(folder.file("second")), .writeOnly, options: .create),
            ]
            let number = Self.duplicate(files[0].descriptor.rawValue, from: 740)
            let first = AsyncFD(owning: FileDescriptor(rawValue: number))
            await print("kept", to: first)
            await first.close()
            try #require(Self.duplicate(files[1].descriptor.rawValue, from: number) == number)
            await print("lost", to: first)
            await #expect(throws: IOError.self) { try await first.flushPrints() }
            Glibc.close(number)
            for file in files { await file.close() }
        }
        #expect(try readText(path: folder.file("first")) == "kept\n")
        #expect(try readText(path: folder.file("second")) == "")
    }

    @Test("a datagram socket on a port of the kernel's choice is called by that port")
    func label() throws {
        try EventLoop.run {
            let socket = try await Self.bound()
            #expect(socket.label == "datagrams on \(try socket.localAddress)")
            #expect(!socket.label.hasSuffix(":0"))
            await socket.close()
        }
    }
}
