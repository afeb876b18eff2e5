// Flushing and shutting down.
import AsyncFD
import EventLoop

extension Logger {
    /// Suspends until the kernel, or the disk, has every record that any logger with the same handlers accepted before.
    ///
    ///     try await logger.flush(.durable)    // before the reply that confirms the record
    ///
    /// Callers that wait for the disk at the same time share one `fdatasync(2)`.
    ///
    /// - Throws: the `IOError` of the first handler whose destination fails, after all handlers have been flushed; its
    ///   records stay pending and are tried again. `.durable` throws for destinations that cannot be durable: pipes, sockets and terminals.
    public func flush(_ mode: FlushMode = .written) async throws(IOError) {
        let pipeline = core.tree.pipeline
        guard !pipeline.loop.isCurrent else { return try await pipeline.flush(mode) }
        if pipeline.loop.isForked { throw pipeline.errorInChild("flush", core) }
        guard pipeline.loop.ensureOwner() else { throw IOError.noLoop("flush", on: "the log") }
        try await pipeline.loop.visit { () async throws(IOError) in try await pipeline.flush(mode) }
    }

    /// Flushes for at most `limit`, and drops the records that have not gone out by then. The handlers count them and
    /// report them on standard error.
    ///
    /// - Returns: the totals of all records of all loggers with the same handlers: `written`, and `dropped` by reason.
    @discardableResult
    public func shutdown(within limit: Duration) async -> Ledger {
        let pipeline = core.tree.pipeline
        guard !pipeline.loop.isCurrent else { return await pipeline.shutdown(within: limit) }
        guard !pipeline.loop.isForked else { return pipeline.ledger }
        guard pipeline.loop.ensureOwner() else { return Ledger() }
        return await pipeline.loop.visit { await pipeline.shutdown(within: limit) }
    }

    /// The totals of the records so far, of all loggers with the same handlers.
    public var ledger: Ledger {
        get async {
            let pipeline = core.tree.pipeline
            guard !pipeline.loop.isCurrent, !pipeline.loop.isForked else { return pipeline.ledger }
            guard pipeline.loop.ensureOwner() else { return Ledger() }
            return await pipeline.loop.visit { pipeline.ledger }
        }
    }
}

extension Pipeline {
    fileprivate func flush(_ mode: FlushMode) async throws(IOError) {
        await loop.catchUp()
        var failure: IOError?
        for handler in handlers {
            do throws(IOError) { try await handler.flush(mode) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }

    fileprivate func shutdown(within limit: Duration) async -> Ledger {
        let deadline = Instant.now + limit
        await loop.catchUp()
        reportAllSuppressed()
        for handler in handlers { await handler.finish(within: deadline - .now) }
        return ledger
    }
}
