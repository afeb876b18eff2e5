// The logger: the type that a program calls. Pipeline.swift has the way of a record from here, LoggerTree.swift the
// tree of loggers.
import EventLoop
import Synchronization

/// Logs without blocking and without locks, and counts every record.
///
///     let logger = Logger.standard("app")
///     await logger.info("user \(id) logged in", ["ip": address, "ms": elapsed])
///
/// In an asynchronous function a call is awaited. It suspends only while the handler's buffer is full, until there is
/// room (back-pressure). In a synchronous function the same call has no `await`: if the buffer is full and the
/// descriptor takes no more at the moment, the handler's overflow policy decides. `nowait` has this second behaviour in
/// asynchronous functions, too.
///
/// Loggers form trees, as in Python: `logger["db"]` is the logger `app.db`, which has its parent's level and handlers
/// until it gets its own.
///
/// All records of one turn of the event loop go out with one system call. Accepted records go out before
/// `EventLoop.run` returns and before the process exits, with or without `flush`.
///
/// Loggers are values, cheap to copy, and may be used on any thread. All copies share the settings (level, handlers,
/// filters); the fields that `with` adds belong to the copy.
///
/// A logger is freed when the program keeps no reference to it, and made again when it is asked for again: a million
/// labels take no memory. The settings of its name (level, handlers, filters, propagation) stay, and so do directives.
/// A tree keeps the 256 loggers that were made last, so that `logger["db"]` is fast even if the program does not keep
/// it. Names are compared byte by byte. A name longer than 512 bytes (a root's: 256) is cut, and ends with `…[4711
/// bytes cut]`.
public struct Logger: Sendable {
    @usableFromInline let core: LoggerCore
    /// Keeps the core until the records of this logger have arrived.
    private let handle: LoggerHandle
    /// The fields of `with`.
    var bound: BoundFields?
    /// The sampler of `every`, `once`, `sampled`, `limited`, `deduplicated`.
    var sampler: Sampler?

    init(_ handle: LoggerHandle) {
        self.handle = handle
        core = handle.core
    }

    // MARK: Initializers

    /// The root of a new tree of loggers.
    ///
    /// - Parameters:
    ///   - name: the logger's name in the log. The names of its children begin with it: `app.db`.
    ///   - level: records below are ignored.
    ///   - handlers: the destinations of the records. They live on one event loop.
    ///   - clock: the source of the records' timestamps.
    ///   - context: adds fields, such as trace and span ids. The logger calls it for each record that passes the level,
    ///     on the thread and in the task that logs.
    public init(
        _ name: String, level: Level = .info, handlers: [Handler], clock: LogClock = .system,
        context: (@Sendable (inout FieldWriter) -> Void)? = nil
    ) {
        let pipeline = Pipeline(loop: handlers.first?.loop ?? EventLoop.current ?? .main, handlers: handlers)
        self.init(
            LoggerTree(name, level: level, handlers: handlers, pipeline: pipeline, clock: clock, context: context)
                .root())
    }

    /// A logger with the two usual handlers: records below warning go to standard output, warning and above to standard
    /// error, each with a buffer of one mebibyte. All loggers that are made so on one event loop (outside of any: on
    /// the main loop) share the two handlers.
    ///
    /// The environment variable `ASYNCLOG`, if it is set, overrides the levels: see `Directives`.
    public static func standard(_ name: String, level: Level = .info) -> Logger {
        let pipeline = Pipeline.standard
        let tree = LoggerTree(
            name, level: level, handlers: pipeline.handlers, pipeline: pipeline, clock: .system, context: nil)
        let logger = Logger(tree.root())
        if let directives = Directives.ofEnvironment { logger.apply(directives) }
        return logger
    }

    /// The child with this name, made when it is first asked for: `logger["db"]` of `app` is `app.db`, and
    /// `logger["db.pool"]` is a child of that.
    ///
    /// A look-up takes a lock for a moment: keep a child that you use often. A full name of more than
    /// `RecordLimits.nameLength` bytes is cut.
    public subscript(name: String) -> Logger {
        var logger = Logger(handle.child(name))
        logger.bound = bound
        logger.sampler = sampler
        return logger
    }

    /// The logger's full name.
    public var name: String { core.name }

    // MARK: Levels

    /// The threshold: records below are ignored. It is the parent's until it is set. May be changed at any time, on any
    /// thread, for all copies of this logger and for the loggers below it that have no level of their own.
    public var level: Level {
        get { Level(rawValue: min(core.tree.effectiveLevel(of: core), Level.critical.rawValue))! }
        nonmutating set { core.tree.setLevel(newValue.rawValue, of: core) }
    }

    /// Removes a level that was set here: from now on directives or the parent determine the level.
    public func resetLevel() { core.tree.setLevel(nil, of: core) }

    /// Whether a record of this level passes the threshold. A load and a compare.
    @inlinable
    @inline(__always)
    public func isEnabled(_ level: Level) -> Bool { level.rawValue >= core.threshold.load(ordering: .relaxed) }

    // MARK: Views

    /// A view whose calls never suspend, for asynchronous functions that must not wait: `logger.nowait.info("…")`.
    public var nowait: NowaitLogger { NowaitLogger(logger: self) }

    /// A logger whose records all have these fields, too.
    ///
    ///     let logger = logger.with(["request": id])
    ///
    /// The fields are encoded now, and laid out once for each handler; a record costs a copy of the bytes. Of equal
    /// keys the innermost counts: fields of the call before those of `with`, later ones of `with` before earlier ones.
    public func with(_ fields: Fields) -> Logger {
        var logger = self
        logger.bound = BoundFields(fields, in: bound, loop: core.tree.pipeline.loop)
        return logger
    }

    // MARK: A record

    /// Logs for a caller that does not wait.
    @usableFromInline
    func submit(_ level: Level, _ message: () -> LogMessage, _ fields: () -> Fields, _ site: CallSite) {
        withRecord(level, site, message, { Logger.write(fields(), $0) }) { core.pipeline.submit($0, sampler: sampler) }
    }

    /// Logs for a caller that does not wait.
    @usableFromInline
    func submit(
        _ level: Level, _ message: () -> LogMessage, writing fields: (inout FieldWriter) -> Void, _ site: CallSite
    ) {
        withRecord(level, site, message, { Logger.write(fields, $0) }) { core.pipeline.submit($0, sampler: sampler) }
    }

    /// Logs for a caller that can wait. Returns what the caller has to wait for, or nil.
    @usableFromInline
    func submitOrPark(_ level: Level, _ message: () -> LogMessage, _ fields: () -> Fields, _ site: CallSite) -> Parked?
    {
        withRecord(level, site, message, { Logger.write(fields(), $0) }) {
            core.pipeline.submitOrPark($0, sampler: sampler)
        } ?? nil
    }

    /// Logs for a caller that can wait. Returns what the caller has to wait for, or nil.
    @usableFromInline
    func submitOrPark(
        _ level: Level, _ message: () -> LogMessage, writing fields: (inout FieldWriter) -> Void, _ site: CallSite
    ) -> Parked? {
        withRecord(level, site, message, { Logger.write(fields, $0) }) {
            core.pipeline.submitOrPark($0, sampler: sampler)
        } ?? nil
    }

    /// Reads the clock, evaluates message and fields into the thread's scratch, and hands the record to `body`. Nil if
    /// the sampler suppresses the record.
    @inline(__always)
    private func withRecord<Result>(
        _ level: Level, _ site: CallSite, _ message: () -> LogMessage, _ writeFields: (Scratch) -> FieldRegion,
        _ body: (borrowing Record) -> Result
    ) -> Result? {
        if let sampler, !sampler.mayPass(level, site, core) { return nil }
        let (time, scope) = (core.clock.now, LogScope.current)
        return Record.build(
            Record.Head(
                level: level, time: WallTime(nanoseconds: time), callSite: site,
                bound: bound.map(Unmanaged.passUnretained),
                scope: scope.map(Unmanaged.passUnretained), core: Unmanaged.passUnretained(core)),
            message: message, fields: writeFields, context: core.context
        ) { record in withExtendedLifetime(scope) { body(record) } }
    }

    @inline(__always)
    private static func write(_ fields: Fields, _ scratch: Scratch) -> FieldRegion { fields.region(scratch) }

    @inline(__always)
    private static func write(_ fields: (inout FieldWriter) -> Void, _ scratch: Scratch) -> FieldRegion {
        FieldRegion(scratch, fields)
    }
}
