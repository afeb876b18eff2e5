// A read of a stream of TCP that brings less than was asked for has emptied it: the call that would say so is saved.
// What must not get lost by that.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Short reads")
struct ShortReadTests {
    /// A connection that the loop watches already, and whose next read would wait; and the number of its other end.
    private func watched(_ body: @escaping (AsyncFD, CInt) async throws -> Void) throws {
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            let client = try await connect(to: listener.address)
            let connection = try await listener.accept()
            let reading = Task(executorPreference: EventLoop.current!) { try await connection.read(upTo: 100) }
            await settle()
            try await client.write("?")
            #expect(try await reading.value == Array("?".utf8))
            #expect(connection.reading!.registration!.attempt(.read) == .wait)
            // What goes wrong here hangs.
            try await withTimeout(.seconds(60)) { try await body(connection, client.descriptor.rawValue) }
            for descriptor in [client, connection] { await descriptor.close() }
            await listener.close()
        }
    }

    private func send(_ text: String, to socket: CInt, flags: CInt = 0) {
        let bytes = Array(text.utf8)
        #expect(Glibc.send(socket, bytes, bytes.count, flags) == bytes.count)
    }

    private func read(_ connection: AsyncFD) async throws -> String {
        String(decoding: try await connection.read(upTo: 100), as: UTF8.self)
    }

    private func expect(_ text: String, from connection: AsyncFD) async throws {
        let read = try await read(connection)
        #expect(read == text)
    }

    @Test("bytes and the end of the stream that are reported together: the end is found")
    func bytesAndEnd() throws {
        try watched { connection, peer in
            send("a", to: peer)
            Glibc.shutdown(peer, CInt(SHUT_WR))
            try await expect("a", from: connection)
            try await expect("", from: connection)
        }
    }

    @Test("the end comes between a short read and the wait that follows it")
    func endAfterRead() throws {
        try watched { connection, peer in
            send("a", to: peer)
            try await expect("a", from: connection)
            Glibc.shutdown(peer, CInt(SHUT_WR))
            try await expect("", from: connection)
        }
    }

    @Test("bytes come between a short read and the wait that follows it")
    func bytesAfterRead() throws {
        try watched { connection, peer in
            for _ in 0..<100 {
                send("a", to: peer)
                try await expect("a", from: connection)
                send("b", to: peer)
                try await expect("b", from: connection)
            }
        }
    }

    @Test("the other side resets the connection after bytes: the reset is found")
    func reset() throws {
        try watched { connection, peer in
            send("a", to: peer)
            try await expect("a", from: connection)
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            let none = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            dup2(none, peer)  // closes the peer's socket, and keeps its number
            Glibc.close(none)
            await #expect(throws: IOError.self) { try await connection.read(upTo: 100) }
        }
    }

    @Test("urgent data stops a read before what comes behind it: that is read, too", arguments: [false, true])
    func urgent(whileWaiting: Bool) throws {
        try watched { connection, peer in
            for _ in 0..<3 {
                if whileWaiting {
                    let reading = Task(executorPreference: EventLoop.current!) { try await connection.read(upTo: 100) }
                    await settle()
                    send("abc", to: peer)
                    send("!", to: peer, flags: CInt(MSG_OOB))
                    send("def", to: peer)
                    var text = String(decoding: try await reading.value, as: UTF8.self)
                    while text.count < 6 { text += try await read(connection) }
                    #expect(text == "abcdef")
                } else {
                    send("abc", to: peer)
                    send("!", to: peer, flags: CInt(MSG_OOB))
                    send("def", to: peer)
                    var text = ""
                    while text.count < 6 { text += try await read(connection) }
                    #expect(text == "abcdef")
                }
            }
        }
    }

    @Test(
        "on a Unix socket a read that stops at a message with descriptors proves nothing: the rest is read without another word of the peer's"
    )
    func unix() throws {
        try EventLoop.run {
            let (one, other) = try await AsyncFD.socketPair()
            let reading = Task(executorPreference: EventLoop.current!) { try await one.read(upTo: 100) }
            await settle()
            try await other.write("?")
            _ = try await reading.value
            try await other.write("a")
            try await other.send(Array("b".utf8), passing: [FileDescriptor(rawValue: 2)])
            try await other.write("c")
            try await withTimeout(.seconds(60)) {
                var text = ""
                while text.count < 3 { text += String(decoding: try await one.read(upTo: 100), as: UTF8.self) }
                #expect(text == "abc")
            }
            for descriptor in [one, other] { await descriptor.close() }
        }
    }
}
