// What sockets carry apart from a stream of bytes: datagrams with their senders, descriptors.
import AsyncFD
import EventLoop
import Glibc
import SystemPackage
import TestSupport
import Testing

@Suite("Messages of sockets")
struct MessageTests {
    @Test("datagrams arrive whole, one by one, with their sender")
    func datagrams() throws {
        try EventLoop.run {
            let one = try await AsyncFD.datagrams(on: .loopback(port: 0))
            let two = try await AsyncFD.datagrams(on: .loopback(port: 0))
            async let waiting = two.receive(upTo: 100)
            await settle()
            try await one.send(Array("hello".utf8), to: two.localAddress)
            let (bytes, sender) = try await waiting
            #expect(bytes == Array("hello".utf8))
            #expect(try sender == one.localAddress)
            try await one.send([], to: two.localAddress)
            #expect(try await two.receive(upTo: 100).bytes.isEmpty)
            try await one.send([1, 2, 3], to: two.localAddress)
            #expect(await failure { () throws(IOError) in _ = try await two.receive(upTo: 2) }?.code == .tooLong)
            let huge = await failure { () throws(IOError) in
                try await one.send([UInt8](repeating: 0, count: 70_000), to: try two.localAddress)
            }
            #expect(huge?.errno == .messageTooLong)
            await one.close()
            await two.close()
        }
    }

    @Test("descriptors travel with their bytes, and are new ones on the other side")
    func passing() throws {
        try EventLoop.run {
            let (left, right) = try await AsyncFD.socketPair()
            let (reader, writer) = try await AsyncFD.pipe()
            try await left.send(Array("take these".utf8), passing: [reader.descriptor, writer.descriptor])
            let (bytes, descriptors) = try await right.receive(upTo: 100, descriptorsUpTo: 4)
            #expect(bytes == Array("take these".utf8))
            #expect(descriptors.count == 2)
            #expect(descriptors.map(\.descriptor) != [reader.descriptor, writer.descriptor])
            #expect(fcntl(descriptors[0].descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
            try await writer.write("through the copy")
            #expect(try await descriptors[0].read(upTo: 100) == Array("through the copy".utf8))
            for descriptor in descriptors + [reader, writer, left] { await descriptor.close() }
            #expect(try await right.receive(upTo: 100, descriptorsUpTo: 4).bytes.isEmpty)
            await right.close()
        }
    }

    @Test("more descriptors than there is room for are closed and reported, not leaked")
    func passingTooMany() throws {
        try EventLoop.run {
            let (left, right) = try await AsyncFD.socketPair()
            let null = try await open("/dev/null", .readOnly)
            try await left.send([0], passing: [FileDescriptor](repeating: null.descriptor, count: 5))
            let error = await failure { () throws(IOError) in _ = try await right.receive(upTo: 10, descriptorsUpTo: 2)
            }
            #expect(error?.code == .tooManyOpenFiles)
            for descriptor in [left, right, null] { await descriptor.close() }
        }
    }
}
