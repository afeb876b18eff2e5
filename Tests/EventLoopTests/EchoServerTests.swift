// The server of the examples, under more clients than it has anything else to do.
import AsyncFD
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("EchoServer")
struct EchoServerTests {
    @Test("a thousand connections at once: each gets back its own bytes, and a signal ends the server in good order")
    func thousandConnections() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let count = min(1000, Int(limit.rlim_cur) - 200)

        let (output, error) = try (Pipe(), Pipe())
        let server = try ChildProcess(
            "EchoServer", ["--port", "0", "--stats"], output: .descriptor(output.writer),
            error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        let greeting = line(error.reader)
        let address = try #require(AsyncFD.Address(String(greeting.dropFirst("listening on ".count))), "\(greeting)")
        #expect(line(output.reader) == "ready")

        let echoed = try EventLoop.run {
            // All are connected before the first one speaks.
            var connections: [AsyncFD] = []
            for _ in 0..<count { connections.append(try await connect(to: address)) }
            return try await withThrowingTaskGroup(of: Bool.self) { group in
                for (number, connection) in connections.enumerated() {
                    group.addTask {
                        var isRight = true
                        for round in 0..<5 {
                            let text = Array("connection \(number), round \(round)".utf8)
                            try await connection.write(text)
                            isRight = try await connection.read(exactly: text.count) == text && isRight
                        }
                        await connection.close()
                        return isRight
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
        }
        #expect(echoed == count)
        server.signal(SIGTERM)
        #expect(try server.wait() == .exited(0))
        #expect(readText(error.reader).contains(" turns, "))
    }

    private func line(_ descriptor: CInt) -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }
}
