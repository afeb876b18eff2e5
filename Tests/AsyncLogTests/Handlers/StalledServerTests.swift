// A server that stays connected and reads nothing: it is given up like one that has gone.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Stalled servers")
struct StalledServerTests {
    /// The sockets of this process that are connected to the port.
    private func sockets(to port: UInt16) -> [CInt] {
        (3..<4096).filter { number in
            var name = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let status = withUnsafeMutablePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(number, $0, &length) }
            }
            return status == 0 && name.sin_family == sa_family_t(AF_INET) && UInt16(bigEndian: name.sin_port) == port
        }
    }

    private func option(_ number: CInt, _ name: CInt) -> CInt {
        var value: CInt = -1
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(number, CInt(IPPROTO_TCP), name, &value, &length)
        return value
    }

    @Test("a TCP server that reads nothing any more is given up by the kernel, and what waits for it goes to the disk")
    func stalled() throws {
        let folder = try TemporaryFolder()
        try onLoop {
            let server = try await LogServer(isReading: false)
            let handler = SocketHandler(
                .tcp("127.0.0.1", port: server.port), formatter: MessageFormatter(),
                spool: .disk(folder.file("spool"), memory: 1 << 20),
                overflow: .dropNewest, backoff: Backoff(first: .seconds(600), longest: .seconds(600)))
            let logger = Logger("app", handlers: [handler])
            await logger.info("first")
            try await logger.flush()
            let socket = try #require(sockets(to: server.port).first)
            #expect(option(socket, TCP_USER_TIMEOUT) == 30_000)
            // What would take half a minute is not to hold up this test.
            var soon: CInt = 300
            setsockopt(socket, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &soon, socklen_t(MemoryLayout<CInt>.size))
            let line = String(repeating: "x", count: 1000)
            while await handler.statistics.pendingBytes < 500_000 {
                await logger.info("\(line)")
                await Task.yield()
            }
            #expect(await eventually { await handler.statistics.spooledBytes > 500_000 })
            guard case .degraded(let error) = await handler.state else {
                Issue.record("\(await handler.state)")
                return
            }
            #expect(error.errno == .timedOut, "\(error)")
            try await logger.flush()
            let ledger = await handler.close()
            #expect(ledger.balances && ledger.droppedTotal == 0 && ledger.pending == 0)
            await server.vanish()
        }
    }
}
