// The logger: what one calls. How a record travels from here is in Pipeline.swift, which loggers there are in LoggerTree.swift.
import EventLoop
import Synchronization

/// Logs without blocking, without locks, and without losing count.
///
///     let logger = Logger.standard("app")
///     await logger.info("user \(id) logged in", ["ip": address, "ms": elapsed])
///
/// In an asynchronous function a call is awaited; it suspends only while the handler's buffer is full, until there is room (back-pressure). In a
/// synchronous function the same call is written without `await`; when the buffer is full, and the descriptor takes no more right
/// now, the handler's overflow policy decides. `nowait` gives that second behaviour in asynchronous functions.
///
/// Loggers form trees, as in Python: `logger["db"]` is the logger `app.db`, which has its parent's level and handlers until it gets its own.
///
/// All calls of one turn of the event loop go out with one system call. What was accepted goes out before `EventLoop.run` returns and
/// before the process exits, `flush` or not.
///
/// Loggers are values, cheap to copy, and may be used on any thread. The settings (level, handlers, filters) are shared by all copies; the fields that
/// `with` adds belong to the copy.
///
/// A logger that nobody holds any more goes, and comes back when it is asked for again: a million labels take no memory. What was set for its name (level,
/// handlers, filters, propagation) stays, and so do directives. A tree keeps the 256 loggers that were made last, so that `logger["db"]` is found quickly even
/// where nobody keeps it. Names are bytes, compared byte by byte; of one that is longer than 512 bytes (a root's: 256) the rest is cut off, and `…[4711 bytes cut]` stands in its place.
public struct Logger: Sendable {
    @usableFromInline let core: LoggerCore
    /// Keeps what is behind the name until its records have arrived.
    private let handle: LoggerHandle
    /// The fields of `with`.
    var bound: BoundFields?
    /// The sieve of `every`, `once`, `sampled`, `limited`, `deduplicated`.
    var gate: Gate?

    init(_ handle: LoggerHandle) {
        self.handle = handle
        core = handle.core
    }

    // MARK: Making one

    /// The root of a new tree of loggers.
    ///
    /// - Parameters:
    ///   - name: what it is called in the log. The names of its children begin with it: `app.db`.
    ///   - level: records below are ignored.
    ///   - handlers: where records go. They live on one event loop.
    ///   - clock: where the records' timestamps come from.
    ///   - context: called for each record that is going to be looked at, on the thread and in the task that logs, to add fields: the place for
    ///     trace and span ids.
    public init(
        _ name: String, level: Level = .info, handlers: [Handler], clock: LogClock = .system,
        context: (@Sendable (inout FieldWriter) -> Void)? = nil
    ) {
        let pipeline = Pipeline(loop: handlers.first?.loop ?? EventLoop.current ?? .main, handlers: handlers)
        self.init(LoggerTree(name, level: level, handlers: handlers, pipeline: pipeline, clock: clock, context: context).root())
    }

    /// A logger with the two usual handlers: below warning to standard output, warning and above to standard error, each with a mebibyte of
    /// buffer. All loggers that are made so on one event loop (outside of any: on the main loop) share the two handlers.
    ///
    /// The environment variable `ASYNCLOG`, if it is there, has the last word on levels: see `Directives`.
    public static func standard(_ name: String, level: Level = .info) -> Logger {
        let pipeline = Pipeline.standard
        let tree = LoggerTree(name, level: level, handlers: pipeline.handlers, pipeline: pipeline, clock: .system, context: nil)
        let logger = Logger(tree.root())
        if let directives = Directives.ofEnvironment { logger.apply(directives) }
        return logger
    }

    /// The child with this name, made when it is first asked for: `logger["db"]` of `app` is `app.db`, and `logger["db.pool"]` is a child of that.
    ///
    /// A look-up takes a lock for a moment: keep a child that you use often. Of a full name of more than `RecordLimits.nameLength` bytes the rest is cut.
    public subscript(name: String) -> Logger {
        var logger = Logger(handle.child(name))
        logger.bound = bound
        logger.gate = gate
        return logger
    }

    /// Its full name.
    public var name: String { core.name }

    // MARK: Levels

    /// The threshold: records below are ignored. Until it is set it is the parent's. May be changed at any time, on any thread, for all copies of
    /// this logger and for those below it that have no level of their own.
    public var level: Level {
        get { Level(rawValue: min(core.tree.effectiveLevel(of: core), Level.critical.rawValue))! }
        nonmutating set { core.tree.setLevel(newValue.rawValue, of: core) }
    }

    /// Takes a level back that was set here: directives say it from now on, or else the parent.
    public func resetLevel() { core.tree.setLevel(nil, of: core) }

    /// Whether a record of this level would be looked at. A load and a compare.
    @inlinable
    @inline(__always)
    public func isEnabled(_ level: Level) -> Bool { level.rawValue >= core.threshold.load(ordering: .relaxed) }

    // MARK: Views

    /// A view whose calls never suspend, for asynchronous functions that do not want to wait: `logger.nowait.info("…")`.
    public var nowait: NowaitLogger { NowaitLogger(logger: self) }

    /// A logger whose records all have these fields, too.
    ///
    ///     let logger = logger.with(["request": id])
    ///
    /// The fields are encoded now, and laid out once for each handler; a record pays a copy of the bytes. Of equal keys the innermost counts: those
    /// of the call before those of `with`, later ones of `with` before earlier ones.
    public func with(_ fields: Fields) -> Logger {
        var logger = self
        logger.bound = BoundFields(fields, in: bound, loop: core.tree.pipeline.loop)
        return logger
    }

    // MARK: A record

    /// Logs for a caller who does not wait.
    @usableFromInline
    func submit(_ level: Level, _ message: () -> LogMessage, _ fields: () -> Fields, _ site: CallSite) {
        withRecord(level, site, message, { Logger.write(fields(), $0) }) { core.pipeline.submit($0, gate: gate) }
    }

    /// Logs for a caller who does not wait.
    @usableFromInline
    func submit(_ level: Level, _ message: () -> LogMessage, writing fields: (inout FieldWriter) -> Void, _ site: CallSite) {
        withRecord(level, site, message, { Logger.write(fields, $0) }) { core.pipeline.submit($0, gate: gate) }
    }

    /// Logs for a caller who can wait. Returns what is still to be done, if anything is.
    @usableFromInline
    func submitOrPark(_ level: Level, _ message: () -> LogMessage, _ fields: () -> Fields, _ site: CallSite) -> Parked? {
        withRecord(level, site, message, { Logger.write(fields(), $0) }) { core.pipeline.submitOrPark($0, gate: gate) } ?? nil
    }

    /// Logs for a caller who can wait. Returns what is still to be done, if anything is.
    @usableFromInline
    func submitOrPark(_ level: Level, _ message: () -> LogMessage, writing fields: (inout FieldWriter) -> Void, _ site: CallSite) -> Parked? {
        withRecord(level, site, message, { Logger.write(fields, $0) }) { core.pipeline.submitOrPark($0, gate: gate) } ?? nil
    }

    /// Reads the clock, evaluates message and fields into the thread's scratch, and hands all over as a record. Nil: there is nobody to take it.
    @inline(__always)
    private func withRecord<Result>(
        _ level: Level, _ site: CallSite, _ message: () -> LogMessage, _ writeFields: (Scratch) -> FieldRegion, _ body: (borrowing Record) -> Result
    ) -> Result? {
        if let gate, !gate.mayPass(level, site, core) { return nil }
        let scope = LogScope.current
        let head = Record.Head(
            level: level, time: WallTime(nanoseconds: core.clock.now), callSite: site, bound: bound.map(Unmanaged.passUnretained),
            scope: scope.map(Unmanaged.passUnretained), core: Unmanaged.passUnretained(core))
        return withExtendedLifetime(scope) {
            Record.build(
                head, message: message,
                fields: { scratch in
                    let region = writeFields(scratch)
                    guard let context = core.context else { return region }
                    return Logger.extend(region, scratch, context)
                }, body)
        }
    }

    @inline(__always)
    private static func write(_ fields: Fields, _ scratch: Scratch) -> FieldRegion { fields.region(scratch) }

    @inline(__always)
    private static func write(_ fields: (inout FieldWriter) -> Void, _ scratch: Scratch) -> FieldRegion { FieldRegion(scratch, fields) }

    @inline(never)
    private static func extend(_ region: FieldRegion, _ scratch: Scratch, _ context: (inout FieldWriter) -> Void) -> FieldRegion {
        FieldRegion(scratch) { writer in
            context(&writer)
            guard region.count > 0 else { return }
            let begin = scratch.count
            scratch.appendCopy(from: region.start, count: region.count)
            writer.append(bodyAt: begin)
        }
    }
}
