// The logger's own statistics as metrics: how many records its handlers accepted, wrote, dropped and hold.
import AsyncLog
import Metrics
import Synchronization

/// Hands the statistics of a logger's handlers on to swift-metrics.
///
///     let reporter = StatisticsReporter(logger)
///     try await reporter.run(every: .seconds(10))     // until the task is cancelled
///
/// | metric | kind | dimensions |
/// |---|---|---|
/// | `log_records_accepted`, `log_records_written` | counter | `handler` |
/// | `log_records_dropped` | counter | `handler`, `reason` |
/// | `log_bytes_written`, `log_write_calls` | counter | `handler` |
/// | `log_records_pending`, `log_bytes_pending`, `log_bytes_pending_most`, `log_bytes_capacity` | meter | `handler` |
/// | `log_handler_failing` (0 or 1) | meter | `handler` |
///
/// `handler` is the place of the handler in the logger and what it writes to: `0 standard output`. Any thread.
public final class StatisticsReporter: Sendable {
    private let logger: AsyncLog.Logger
    private let prefix: String
    private let factory: (any MetricsFactory)?
    /// The statistics at the last update.
    private let reported = Mutex<[ObjectIdentifier: HandlerStatistics]>([:])

    /// - Parameters:
    ///   - logger: the logger whose own handlers are reported, those that it has at the time.
    ///   - prefix: the prefix of the metrics' names.
    ///   - factory: the metrics factory; by default the one of `MetricsSystem`.
    public init(_ logger: AsyncLog.Logger, prefix: String = "log", factory: (any MetricsFactory)? = nil) {
        self.logger = logger
        self.prefix = prefix
        self.factory = factory
    }

    /// Updates at once, then at each interval until the task is cancelled, and once more at the end.
    ///
    /// - Throws: `CancellationError`.
    public func run(every interval: Duration = .seconds(10)) async throws {
        while true {
            await update()
            do { try await Task.sleep(for: interval) } catch {
                await update()
                throw error
            }
        }
    }

    /// Reports the changes since the last update.
    public func update() async {
        for (index, handler) in logger.handlers.enumerated() {
            let statistics = await handler.statistics
            let before = reported.withLock { $0.updateValue(statistics, forKey: ObjectIdentifier(handler)) } ?? nil
            report(statistics, since: before, handler: "\(index) \(handler.destination)")
        }
    }

    private func report(_ now: HandlerStatistics, since before: HandlerStatistics?, handler: String) {
        let factory = factory ?? MetricsSystem.factory
        func count(_ name: String, _ value: UInt64, _ before: UInt64?, _ dimensions: [(String, String)] = []) {
            // If two updates run at once, the later result may arrive first.
            guard value > before ?? 0 else { return }
            Counter(label: "\(prefix)_\(name)", dimensions: [("handler", handler)] + dimensions, factory: factory)
                .increment(
                    by: value - (before ?? 0))
        }
        func set(_ name: String, _ value: some BinaryInteger) {
            Meter(label: "\(prefix)_\(name)", dimensions: [("handler", handler)], factory: factory).set(value)
        }
        count("records_accepted", now.ledger.accepted, before?.ledger.accepted)
        count("records_written", now.ledger.written, before?.ledger.written)
        for (reason, number) in now.ledger.dropped.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            count("records_dropped", number, before?.ledger.dropped[reason], [("reason", reason.rawValue)])
        }
        count("bytes_written", now.writtenBytes, before?.writtenBytes)
        count("write_calls", now.ledger.writeCalls, before?.ledger.writeCalls)
        set("records_pending", now.ledger.pending)
        set("bytes_pending", now.pendingBytes)
        set("bytes_pending_most", now.mostPendingBytes)
        set("bytes_capacity", now.capacity)
        set("handler_failing", now.failure == nil ? 0 : 1)
    }
}

extension Handler {
    /// The handler's output, or, if it has none, its type.
    fileprivate var destination: String {
        if let handler = self as? BufferedHandler { return handler.buffer.label }
        return "\(type(of: self))"
    }
}
