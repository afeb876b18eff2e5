// The level methods with a closure that writes the fields, for fields that come and go.
//
// Tools/generate-level-methods writes this file: change that program, not this text.
//
//     logger.info("logged in") { fields in
//         fields["user"] = id
//         if let referrer { fields["referrer"] = referrer }
//     }

extension Logger {
    /// Logs `message` at `level` with the fields that `fields` writes.
    ///
    /// Suspends while a handler's buffer is full. Any task. Never throws: the handler reports its failures.
    @inlinable
    @inline(__always)
    public func log(
        _ level: Level, _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(level) else { return }
        let parked = submitOrPark(
            level, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs `message` at `level` with the fields that `fields` writes.
    ///
    /// Never waits. The handler's overflow policy decides about a record that finds no room. Any thread.
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

    /// Logs at level `trace`: fine detail, for following every step.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.trace) else { return }
        let parked = submitOrPark(
            .trace, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `trace`: fine detail, for following every step.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func trace(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.trace) else { return }
        submit(.trace, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `debug`: what a developer wants to know.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.debug) else { return }
        let parked = submitOrPark(
            .debug, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `debug`: what a developer wants to know.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func debug(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.debug) else { return }
        submit(.debug, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `info`: the normal course of events.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.info) else { return }
        let parked = submitOrPark(
            .info, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `info`: the normal course of events.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func info(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.info) else { return }
        submit(.info, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `notice`: normal, but worth attention.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.notice) else { return }
        let parked = submitOrPark(
            .notice, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `notice`: normal, but worth attention.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func notice(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.notice) else { return }
        submit(.notice, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `warning`: something unexpected that the program copes with.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.warning) else { return }
        let parked = submitOrPark(
            .warning, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `warning`: something unexpected that the program copes with.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func warning(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.warning) else { return }
        submit(.warning, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `error`: something failed.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.error) else { return }
        let parked = submitOrPark(
            .error, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `error`: something failed.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func error(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.error) else { return }
        submit(.error, message, writing: fields, CallSite(file: file, function: function, line: line))
    }

    /// Logs at level `critical`: the program cannot go on as it should.
    ///
    /// Suspends while a handler's buffer is full.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(.critical) else { return }
        let parked = submitOrPark(
            .critical, message, writing: fields, CallSite(file: file, function: function, line: line))
        if let parked { await parked.wait() }
    }

    /// Logs at level `critical`: the program cannot go on as it should.
    ///
    /// Never waits.
    @inlinable
    @inline(__always)
    public func critical(
        _ message: @autoclosure () -> LogMessage,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(.critical) else { return }
        submit(.critical, message, writing: fields, CallSite(file: file, function: function, line: line))
    }
}
