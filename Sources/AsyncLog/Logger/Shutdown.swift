// Making sure: flushing, and the end.
import AsyncFD
import EventLoop

extension Logger {
    /// Suspends until everything that was accepted before, by any logger with the same handlers, is in the kernel, or on the disk.
    ///
    ///     try await logger.flush(.durable)    // before the reply that says it is recorded
    ///
    /// Callers who wait for the disk at the same time share one `fdatasync(2)`.
    ///
    /// - Throws: the `IOError` of the first handler whose destination refuses; its records stay pending and are tried again. `.durable` fails where there
    ///   is nothing to be durable: on pipes, sockets and terminals.
    public func flush(_ mode: FlushMode = .written) async throws(IOError) {
        let pipeline = core.tree.pipeline
        guard !pipeline.loop.isCurrent else { return try await pipeline.flush(mode) }
        if pipeline.loop.isForked { throw pipeline.errorInChild("flush", core) }
        guard pipeline.loop.ensureOwner() else { throw IOError.noLoop("flush", on: "the log") }
        try await pipeline.loop.visit { () async throws(IOError) in try await pipeline.flush(mode) }
    }

    /// Flushes, waits for that at most as long as `limit`, and gives up what has not gone out by then. What was given up is counted, and said on
    /// standard error.
    ///
    /// - Returns: what became of all records, of all loggers with the same handlers: `written`, and `dropped` by reason.
    @discardableResult
    public func shutdown(within limit: Duration) async -> Ledger {
        let pipeline = core.tree.pipeline
        guard !pipeline.loop.isCurrent else { return await pipeline.shutdown(within: limit) }
        guard !pipeline.loop.isForked else { return pipeline.ledger }
        guard pipeline.loop.ensureOwner() else { return Ledger() }
        return await pipeline.loop.visit { await pipeline.shutdown(within: limit) }
    }

    /// What became of the records so far, of all loggers with the same handlers.
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
        for handler in handlers { try await handler.flush(mode) }
    }

    fileprivate func shutdown(within limit: Duration) async -> Ledger {
        let deadline = Instant.now + limit
        await loop.catchUp()
        sayAllSuppressed()
        for handler in handlers { await handler.finish(within: deadline - .now) }
        return ledger
    }
}
