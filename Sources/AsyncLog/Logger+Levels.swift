// The level methods. Swift takes the asynchronous one in an asynchronous function and the synchronous one elsewhere, so that
// forgetting `await` does not compile. Fields are a dictionary literal here; Logger+FieldClosures.swift has those with a closure.

extension Logger {
    /// Logs `message` at `level` with `fields`. Suspends while a handler's buffer is full. Any task; never throws: what goes wrong with the
    /// destination is the handler's to tell.
    ///
    ///     await logger.log(.info, "user \(name) logged in", ["user": id, "ip": address])
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        guard isEnabled(level) else { return }
        if let parked = submitOrPark(level, message, fields, CallSite(file: file, function: function, line: line)) { await parked.wait() }
    }

    /// Logs `message` at `level` with `fields`. Never waits; what finds no room is for the handler's overflow policy. Any thread.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard isEnabled(level) else { return }
        submit(level, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `trace`: fine detail, for following every step. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.trace, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `trace`: fine detail, for following every step. Never waits.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.trace, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `debug`: what a developer wants to know. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.debug, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `debug`: what a developer wants to know. Never waits.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.debug, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `info`: the normal course of events. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.info, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `info`: the normal course of events. Never waits.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.info, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `notice`: normal, but worth attention. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.notice, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `notice`: normal, but worth attention. Never waits.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.notice, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `warning`: something unexpected that the program copes with. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.warning, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `warning`: something unexpected that the program copes with. Never waits.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.warning, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `error`: something failed. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.error, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `error`: something failed. Never waits.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.error, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `critical`: the program cannot go on as it should. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        await log(.critical, message(), fields(), file: file, function: function, line: line)
    }

    /// Logs at level `critical`: the program cannot go on as it should. Never waits.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        log(.critical, message(), fields(), file: file, function: function, line: line)
    }
}
