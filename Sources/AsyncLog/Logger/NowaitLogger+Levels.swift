// The level methods that never wait: `logger.nowait.info(…)`.
//
// Tools/generate-level-methods writes this file: change that program, not this text.

extension NowaitLogger {
    /// Logs `message` at `level` with `fields`. Any thread.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(level) else { return }
        logger.submit(level, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `trace`: fine detail, for following every step.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.trace) else { return }
        logger.submit(.trace, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `debug`: what a developer wants to know.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.debug) else { return }
        logger.submit(.debug, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `info`: the normal course of events.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.info) else { return }
        logger.submit(.info, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `notice`: normal, but worth attention.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.notice) else { return }
        logger.submit(.notice, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `warning`: something unexpected that the program copes with.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.warning) else { return }
        logger.submit(.warning, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `error`: something failed.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.error) else { return }
        logger.submit(.error, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `critical`: the program cannot go on as it should.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage, _ fields: @autoclosure () -> Fields = .none,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(.critical) else { return }
        logger.submit(.critical, message, fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs `message` at `level` with the fields that `fields` writes. Any thread.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(level) else { return }
        logger.submit(level, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `trace`: fine detail, for following every step.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.trace) else { return }
        logger.submit(.trace, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `debug`: what a developer wants to know.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.debug) else { return }
        logger.submit(.debug, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `info`: the normal course of events.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.info) else { return }
        logger.submit(.info, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `notice`: normal, but worth attention.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.notice) else { return }
        logger.submit(.notice, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `warning`: something unexpected that the program copes with.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.warning) else { return }
        logger.submit(.warning, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `error`: something failed.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.error) else { return }
        logger.submit(.error, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `critical`: the program cannot go on as it should.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(.critical) else { return }
        logger.submit(.critical, message, writing: fields, CallSite(file: file, function: function, line: line))
    }
}
