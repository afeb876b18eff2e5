// The logger's end as a part of the server's end.
//
// A group of services shuts down in the reverse of the order in which they stand in it: the logger stands first and goes last, so that what the others
// say on their way out is still written.
import AsyncLog
import ServiceLifecycle

/// Writes what is pending when the group shuts down, and then lets the group end.
///
///     let group = ServiceGroup(
///         configuration: .init(services: [.init(service: LoggerService(backend.logger)), .init(service: server)], logger: logger))
///
/// Put it first. It does nothing until the others have ended. Then it waits until all is in the kernel, for as long as the group allows: when
/// `maximumGracefulShutdownDuration` has passed, the group cancels it, and it gives up what has not gone out; that is counted, and said on standard error.
/// Records that come later still, those of the group itself, go out when the process exits.
public struct LoggerService: Service, CustomStringConvertible {
    private let logger: AsyncLog.Logger
    private let limit: Duration
    private let grace: Duration

    /// - Parameters:
    ///   - logger: it, and all loggers with the same handlers.
    ///   - limit: how long to wait at most for a destination that does not take what is pending, if the group does not end the waiting before.
    ///   - grace: how long to wait at most if the group is cancelled and does not shut down in good order. Less than its `maximumCancellationDuration`.
    public init(_ logger: AsyncLog.Logger, within limit: Duration = .seconds(30), afterCancellation grace: Duration = .seconds(1)) {
        self.logger = logger
        self.limit = limit
        self.grace = grace
    }

    public var description: String { "logger \"\(logger.name)\"" }

    /// Waits for the group's graceful shutdown, then for the logger's. Called by the group.
    public func run() async throws {
        do {
            try await gracefulShutdown()
            // The group's deadline arrives as cancellation: then what has not gone out is given up.
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
