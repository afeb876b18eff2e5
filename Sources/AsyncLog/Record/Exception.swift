// Logging an error: its type, its message and its causes.

extension Logger {
    /// Logs an error with its type, its message and the chain of its causes, in the field `error`. Suspends while a
    /// handler's buffer is full.
    ///
    ///     do { try await connect() } catch {
    ///         await logger.exception(error, "cannot reach the database", ["host": host])
    ///     }
    ///
    /// - Parameter level: `error` by default.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", _ fields: @autoclosure () -> Fields = .none,
        level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) async {
        guard isEnabled(level) else { return }
        let site = CallSite(file: file, function: function, line: line)
        if let parked = submitOrPark(level, message, writing: { Logger.write(error, fields(), &$0) }, site) {
            await parked.wait()
        }
    }

    /// Logs an error with its type, its message and the chain of its causes, in the field `error`. Never waits.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", _ fields: @autoclosure () -> Fields = .none,
        level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard isEnabled(level) else { return }
        submit(
            level, message, writing: { Logger.write(error, fields(), &$0) },
            CallSite(file: file, function: function, line: line))
    }

    /// The same with the fields that `fields` writes.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) async {
        guard isEnabled(level) else { return }
        let site = CallSite(file: file, function: function, line: line)
        if let parked = submitOrPark(level, message, writing: { Logger.write(error, fields, &$0) }, site) {
            await parked.wait()
        }
    }

    /// The same with the fields that `fields` writes. Never waits.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard isEnabled(level) else { return }
        submit(
            level, message, writing: { Logger.write(error, fields, &$0) },
            CallSite(file: file, function: function, line: line))
    }

    fileprivate static func write(_ error: any Error, _ fields: Fields, _ writer: inout FieldWriter) {
        writer.append(contentsOf: fields)
        writer["error"] = error
    }

    fileprivate static func write(
        _ error: any Error, _ fields: (inout FieldWriter) -> Void, _ writer: inout FieldWriter
    ) {
        fields(&writer)
        writer["error"] = error
    }
}

extension NowaitLogger {
    /// Logs an error with its type, its message and the chain of its causes, in the field `error`. Any thread.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", _ fields: @autoclosure () -> Fields = .none,
        level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line
    ) {
        guard logger.isEnabled(level) else { return }
        let site = CallSite(file: file, function: function, line: line)
        logger.submit(level, message, writing: { Logger.write(error, fields(), &$0) }, site)
    }

    /// The same with the fields that `fields` writes. Any thread.
    public func exception(
        _ error: any Error, _ message: @autoclosure () -> LogMessage = "", level: Level = .error,
        file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line,
        _ fields: (inout FieldWriter) -> Void
    ) {
        guard logger.isEnabled(level) else { return }
        let site = CallSite(file: file, function: function, line: line)
        logger.submit(level, message, writing: { Logger.write(error, fields, &$0) }, site)
    }
}
