// The level methods. Swift takes the asynchronous one in an asynchronous function and the synchronous one elsewhere, so that
// forgetting `await` does not compile.

extension Logger {
    /// Logs `message` at `level`. Suspends while the handler's buffer is full. Any task; never throws: what goes wrong with the destination
    /// is the handler's to tell.
    @inlinable
    public func log(_ level: Level, _ message: @autoclosure () -> LogMessage) async {
        guard isEnabled(level) else { return }
        if let parked = core.logOrPark(level, message) { await parked.wait() }
    }

    /// Logs `message` at `level`. Never waits; drops and counts what finds no room. Any thread.
    @inlinable
    public func log(_ level: Level, _ message: @autoclosure () -> LogMessage) {
        guard isEnabled(level) else { return }
        core.log(level, message)
    }

    /// Logs at level `trace`: fine detail, for following every step. Suspends while the handler's buffer is full.
    @inlinable
    public func trace(_ message: @autoclosure () -> LogMessage) async { await log(.trace, message()) }

    /// Logs at level `trace`: fine detail, for following every step. Never waits.
    @inlinable
    public func trace(_ message: @autoclosure () -> LogMessage) { log(.trace, message()) }

    /// Logs at level `debug`: what a developer wants to know. Suspends while the handler's buffer is full.
    @inlinable
    public func debug(_ message: @autoclosure () -> LogMessage) async { await log(.debug, message()) }

    /// Logs at level `debug`: what a developer wants to know. Never waits.
    @inlinable
    public func debug(_ message: @autoclosure () -> LogMessage) { log(.debug, message()) }

    /// Logs at level `info`: the normal course of events. Suspends while the handler's buffer is full.
    @inlinable
    public func info(_ message: @autoclosure () -> LogMessage) async { await log(.info, message()) }

    /// Logs at level `info`: the normal course of events. Never waits.
    @inlinable
    public func info(_ message: @autoclosure () -> LogMessage) { log(.info, message()) }

    /// Logs at level `notice`: normal, but worth attention. Suspends while the handler's buffer is full.
    @inlinable
    public func notice(_ message: @autoclosure () -> LogMessage) async { await log(.notice, message()) }

    /// Logs at level `notice`: normal, but worth attention. Never waits.
    @inlinable
    public func notice(_ message: @autoclosure () -> LogMessage) { log(.notice, message()) }

    /// Logs at level `warning`: something unexpected that the program copes with. Suspends while the handler's buffer is full.
    @inlinable
    public func warning(_ message: @autoclosure () -> LogMessage) async { await log(.warning, message()) }

    /// Logs at level `warning`: something unexpected that the program copes with. Never waits.
    @inlinable
    public func warning(_ message: @autoclosure () -> LogMessage) { log(.warning, message()) }

    /// Logs at level `error`: something failed. Suspends while the handler's buffer is full.
    @inlinable
    public func error(_ message: @autoclosure () -> LogMessage) async { await log(.error, message()) }

    /// Logs at level `error`: something failed. Never waits.
    @inlinable
    public func error(_ message: @autoclosure () -> LogMessage) { log(.error, message()) }

    /// Logs at level `critical`: the program cannot go on as it should. Suspends while the handler's buffer is full.
    @inlinable
    public func critical(_ message: @autoclosure () -> LogMessage) async { await log(.critical, message()) }

    /// Logs at level `critical`: the program cannot go on as it should. Never waits.
    @inlinable
    public func critical(_ message: @autoclosure () -> LogMessage) { log(.critical, message()) }
}

/// A logger's calls for those who do not wait, in asynchronous functions too: what finds no room is dropped and counted.
public struct NowaitLogger: Sendable {
    @usableFromInline let logger: Logger

    /// Logs `message` at `level`. Any thread.
    @inlinable
    public func log(_ level: Level, _ message: @autoclosure () -> LogMessage) {
        guard logger.isEnabled(level) else { return }
        logger.core.log(level, message)
    }

    /// Logs at level `trace`: fine detail, for following every step.
    @inlinable
    public func trace(_ message: @autoclosure () -> LogMessage) { log(.trace, message()) }

    /// Logs at level `debug`: what a developer wants to know.
    @inlinable
    public func debug(_ message: @autoclosure () -> LogMessage) { log(.debug, message()) }

    /// Logs at level `info`: the normal course of events.
    @inlinable
    public func info(_ message: @autoclosure () -> LogMessage) { log(.info, message()) }

    /// Logs at level `notice`: normal, but worth attention.
    @inlinable
    public func notice(_ message: @autoclosure () -> LogMessage) { log(.notice, message()) }

    /// Logs at level `warning`: something unexpected that the program copes with.
    @inlinable
    public func warning(_ message: @autoclosure () -> LogMessage) { log(.warning, message()) }

    /// Logs at level `error`: something failed.
    @inlinable
    public func error(_ message: @autoclosure () -> LogMessage) { log(.error, message()) }

    /// Logs at level `critical`: the program cannot go on as it should.
    @inlinable
    public func critical(_ message: @autoclosure () -> LogMessage) { log(.critical, message()) }
}
