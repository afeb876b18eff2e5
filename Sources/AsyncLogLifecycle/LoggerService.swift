// The logger's shutdown as a part of the server's shutdown.
//
// A group of services shuts down in the reverse of its order: the logger is first in the group and shuts down last, so
// that it still writes what the others log while they shut down.
import AsyncLog
import ServiceLifecycle

/// Writes pending records when the group shuts down, and then lets the group end.
///
///     let group = ServiceGroup(
///         configuration: .init(
///             services: [.init(service: LoggerService(backend.logger)), .init(service: server)], logger: logger))
///
/// Put it first. It does nothing until the other services have ended. Then it waits until the kernel has all records,
/// for as long as the group allows: after `maximumGracefulShutdownDuration` the group cancels it, and it drops the
/// records that have not gone out; it counts them and reports them on standard error. Later records, those of the group
/// itself, go out when the process exits.
public struct LoggerService: Service, CustomStringConvertible {
    private let logger: AsyncLog.Logger
    private let limit: Duration
    private let grace: Duration

    /// - Parameters:
    ///   - logger: this logger, and all loggers with the same handlers.
    ///   - limit: how long to wait at most for a destination that does not take pending records, if the group does not
    ///     cancel earlier.
    ///   - grace: how long to wait at most if the group is cancelled instead of shut down. Less than its
    ///     `maximumCancellationDuration`.
    public init(
        _ logger: AsyncLog.Logger, within limit: Duration = .seconds(30),
        afterCancellation grace: Duration = .seconds(1)
    ) {
        self.logger = logger
        self.limit = limit
        self.grace = grace
    }

    public var description: String { "logger \"\(logger.name)\"" }

    /// Waits for the group's graceful shutdown, then for the logger's. The group calls it.
    public func run() async throws {
        do {
            try await gracefulShutdown()
            // The group's deadline arrives as cancellation: then pending records are dropped.
            await withTaskCancellationHandler {
                _ = await logger.shutdown(within: limit)
            } onCancel: {
                Task { await logger.shutdown(within: .zero) }
            }
        } catch {
            // A cancelled task cannot wait.
            _ = await Task { await logger.shutdown(within: grace) }.value
        }
    }
}
