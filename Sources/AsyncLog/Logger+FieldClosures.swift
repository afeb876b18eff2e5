// The level methods whose fields are written by a closure, for fields that come and go.
//
//     logger.info("logged in") { fields in
//         fields["user"] = id
//         if let referrer { fields["referrer"] = referrer }
//     }

extension Logger {
    /// Logs `message` at `level` with the fields that `fields` writes. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(level) else { return }
        if let parked = submitOrPark(level, message, writing: fields, CallSite(file: file, function: function, line: line)) { await parked.wait() }
    }

    /// Logs `message` at `level` with the fields that `fields` writes. Never waits.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(level) else { return }
        submit(level, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `trace`: fine detail, for following every step. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.trace, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `trace`: fine detail, for following every step. Never waits.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.trace, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `debug`: what a developer wants to know. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.debug, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `debug`: what a developer wants to know. Never waits.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.debug, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `info`: the normal course of events. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.info, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `info`: the normal course of events. Never waits.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.info, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `notice`: normal, but worth attention. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.notice, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `notice`: normal, but worth attention. Never waits.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.notice, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `warning`: something unexpected that the program copes with. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.warning, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `warning`: something unexpected that the program copes with. Never waits.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.warning, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `error`: something failed. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.error, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `error`: something failed. Never waits.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.error, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `critical`: the program cannot go on as it should. Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        await log(.critical, message(), file: file, function: function, line: line, fields)
    }

    /// Logs at level `critical`: the program cannot go on as it should. Never waits.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        log(.critical, message(), file: file, function: function, line: line, fields)
    }
}
