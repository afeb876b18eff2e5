// The logger: what one calls. How a record travels from here is in Pipeline.swift.
import AsyncFD
import EventLoop
import Synchronization

/// Logs without blocking, without locks, and without losing count.
///
///     let logger = Logger.standard("app")
///     await logger.info("user \(id) logged in")
///
/// In an asynchronous function a call is awaited; it suspends only while the handler's buffer is full, until there is room (back-pressure). In a
/// synchronous function the same call is written without `await`; when the buffer is full, and the descriptor takes no more right
/// now, the record is dropped, counted, and reported in the log. `nowait` gives that second behaviour in asynchronous functions.
///
/// All calls of one turn of the event loop go out with one system call. What was accepted goes out before `EventLoop.run` returns and
/// before the process exits, `flush` or not.
///
/// Loggers are values, cheap to copy, and may be used on any thread.
public struct Logger: Sendable {
    @usableFromInline let core: LoggerCore

    init(core: LoggerCore) { self.core = core }

    /// A logger with the two usual handlers: below warning to standard output, warning and above to standard error, each with a mebibyte of
    /// buffer. All loggers that are made so on one event loop (outside of any: on the main loop) share the two handlers.
    public static func standard(_ name: String, level: Level = .info) -> Logger {
        Logger(core: LoggerCore(name: name, level: level, pipeline: .standard))
    }

    /// The threshold: records below are ignored. May be changed at any time, on any thread, for all copies of this logger.
    public var level: Level {
        get { Level(rawValue: core.threshold.load(ordering: .relaxed))! }
        nonmutating set { core.threshold.store(newValue.rawValue, ordering: .relaxed) }
    }

    /// Whether a record of this level would be looked at. A load and a compare.
    @inlinable
    public func isEnabled(_ level: Level) -> Bool { level.rawValue >= core.threshold.load(ordering: .relaxed) }

    /// A view whose calls never suspend, for asynchronous functions that do not want to wait: `logger.nowait.info("…")`.
    public var nowait: NowaitLogger { NowaitLogger(logger: self) }
}

/// What all copies of a logger share.
@usableFromInline
final class LoggerCore: Sendable {
    @usableFromInline let threshold: Atomic<UInt8>
    let pipeline: Pipeline
    /// The name in UTF-8, escaped for good.
    nonisolated(unsafe) let name: UnsafeBufferPointer<UInt8>

    init(name: String, level: Level, pipeline: Pipeline) {
        threshold = Atomic(level.rawValue)
        self.pipeline = pipeline
        var name = name
        self.name = name.withUTF8 { utf8 in
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, utf8.count * Escape.expansion))
            return UnsafeBufferPointer(start: memory, count: Escape.write(utf8, to: memory))
        }
    }

    deinit { name.deallocate() }

    /// Logs for a caller who does not wait.
    @usableFromInline
    func log(_ level: Level, _ message: () -> LogMessage) {
        withRecord(level, message) { record in
            if pipeline.loop.isCurrent {
                pipeline.take(record)
            } else if !pipeline.post(record, of: self) {
                pipeline.refuse()
            }
        }
    }

    /// Logs for a caller who can wait. Returns what is still to be done, if anything is.
    @usableFromInline
    func logOrPark(_ level: Level, _ message: () -> LogMessage) -> Parked? {
        withRecord(level, message) { record in
            if pipeline.loop.isCurrent {
                let full = pipeline.takeOrPark(record)
                return full.isEmpty ? nil : Parked(record: ParkedRecord(record, of: self), handlers: full)
            }
            return pipeline.post(record, of: self) ? nil : Parked(record: ParkedRecord(record, of: self), handlers: nil)
        }
    }

    /// Reads the clock, evaluates the message, and hands both over as a record.
    private func withRecord<Result>(_ level: Level, _ message: () -> LogMessage, _ body: (Record) -> Result) -> Result {
        let scratch = Scratch.current
        let mark = scratch.enter()
        defer { scratch.leave(mark) }
        let time = WallClock.now
        return message().withBytes(scratch) { bytes in body(Record(level: level, time: time, name: name, message: bytes)) }
    }
}

/// A record whose caller waits until all handlers have taken it.
@usableFromInline
struct Parked: Sendable {
    let record: ParkedRecord
    /// The handlers that had no room; nil if the record has not even come to the loop.
    let handlers: [Handler]?

    @usableFromInline
    func wait() async {
        let loop = record.core.pipeline.loop
        if loop.isCurrent { return await waitHere() }
        guard loop.isRunning else { return record.core.pipeline.refuse() }
        await withTaskExecutorPreference(loop) { await self.waitHere() }
    }

    private func waitHere() async {
        for handler in handlers ?? record.withRecord({ record.core.pipeline.takeOrPark($0) }) { await handler.retry(record) }
    }
}
