// A handler whose destination is reached by a connection. What becomes of the connection is in Connection.swift.
import AsyncFD
import EventLoop

/// The part of `SocketHandler` and `SyslogHandler` that does not depend on the format.
///
/// Unchecked as its superclass is: loop thread only.
public class ConnectedHandler: BufferedHandler, @unchecked Sendable {
    /// What it connects to.
    public final let endpoint: Endpoint
    /// Made with the handler; it needs the handler's buffer.
    private final var connection: Connection!

    init(
        _ endpoint: Endpoint, framing: Framing, spool: Spool, levels: ClosedRange<Level>, reserve: Int?,
        overflow: Overflow, maximumLineLength: Int,
        backoff: Backoff, timeout: Duration, random: any RandomNumberGenerator & Sendable
    ) {
        self.endpoint = endpoint
        let writer = BatchWriter(on: EventLoop.current ?? .main)
        let disk = spool.disk.map { path, limit in
            if case .udp = endpoint {
                preconditionFailure("UDP does not tell when a receiver is not there: there is no time to spool")
            }
            guard let bounds = framing.bounds else {
                preconditionFailure("a spool on disk needs a framing, to tell records apart")
            }
            return DiskSpool(path, limit: limit, bounds: bounds, on: writer.loop)
        }
        super.init(
            writer, label: "\(endpoint)", levels: levels, capacity: spool.memory, reserve: reserve ?? spool.memory / 16,
            overflow: overflow,
            maximumLineLength: maximumLineLength)
        connection = Connection(
            endpoint, disk: disk, backoff: backoff, timeout: timeout, random: random, buffer)
        connection.handler = self
        buffer.destination = connection
    }

    /// Sends what waits, for at most as long as `limit`, reports what could not be sent, and closes the connection.
    /// Records that come later are sent by a new one. Any task.
    @discardableResult
    public final func close(within limit: Duration = EventLoop.exitTimeout) async -> Ledger {
        guard loop.canBeVisited else { return await closeHere(limit) }
        return await loop.visit { await closeHere(limit) }
    }

    private final func closeHere(_ limit: Duration) async -> Ledger {
        await buffer.finish(within: limit)
        await connection.close()
        return ledger
    }

    override final func becameFull() {
        connection.becameFull()
    }

    override final var currentStatistics: HandlerStatistics {
        var statistics = super.currentStatistics
        statistics.spooledBytes = connection.disk?.count ?? 0
        return statistics
    }
}
