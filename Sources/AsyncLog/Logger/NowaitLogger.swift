// Logging without waiting, in asynchronous functions too.

/// A logger whose calls never suspend, for asynchronous functions that must not wait: the handler's overflow policy
/// decides about a record that finds no room.
///
///     logger.nowait.info("…")
public struct NowaitLogger: Sendable {
    @usableFromInline let logger: Logger
}
