// R2 and R3: TCP servers, one task a connection.
import AsyncFD
import EventLoop
@preconcurrency import Glibc

enum Server {
    static func run(port: Int, _ serve: @escaping @Sendable (AsyncFD) async throws -> Void) async throws {
        allowManyDescriptors()
        let listener = try await Listener(on: .loopback(port: UInt16(port)))
        Swift.print("ready")
        fflush(nil)
        try await withThrowingDiscardingTaskGroup { group in
            for try await connection in listener {
                group.addTask {
                    try? await serve(connection)
                    await connection.close()
                }
            }
        }
    }

    @Sendable
    static func echo(_ connection: AsyncFD) async throws {
        while case let bytes = try await connection.read(upTo: 65_536), !bytes.isEmpty { try await connection.write(bytes) }
    }

    private static let response = Array("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!".utf8)

    /// One answer for each empty line; requests may come together or in pieces.
    @Sendable
    static func hello(_ connection: AsyncFD) async throws {
        var matched = 0
        while case let bytes = try await connection.read(upTo: 65_536), !bytes.isEmpty {
            var answers: [UInt8] = []
            for byte in bytes {
                // Carriage returns at even places of the four, line feeds at odd ones.
                let isNext = byte == (matched & 1 == 0 ? 0x0D : 0x0A)
                matched = isNext ? matched + 1 : byte == 0x0D ? 1 : 0
                guard matched == 4 else { continue }
                matched = 0
                if answers.isEmpty { answers = response } else { answers += response }
            }
            if !answers.isEmpty { try await connection.write(answers) }
        }
    }
}
