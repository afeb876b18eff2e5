// A crash while records wait on disk for a connection.
import AsyncLog
import EventLoop
import Glibc

/// Ten records are in the spool, ten in memory.
func crashWithSpool(_ path: String, _ port: UInt16) async throws {
    let handler = SocketHandler(
        .tcp("127.0.0.1", port: port), formatter: TextFormatter(pattern: try TextPattern("{message}")),
        spool: .disk(path))
    let logger = Logger("app", handlers: [handler])
    for index in 0..<10 { await logger.info("record \(index) raw") }
    while await handler.statistics.ledger.written < 10 { try await EventLoop.sleep(for: .milliseconds(1)) }
    for index in 10..<20 { logger.nowait.info("record \(index) raw") }
    abort()
}
