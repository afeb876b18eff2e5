// The state of a handler: whether its records go where they should, which tasks observe that, and when the fallback is
// told.
//
// A state is entered at once, and every observer (`states`) is told at once. The fallback is told of trouble a second
// later: a connection that comes back within that second is not reported, and a program that is about to end reports
// only once, with the final count. Each trouble is reported once, even if its reason changes, and so is its end.
import AsyncFD
import EventLoop

/// Whether a handler's records go where they should.
public enum HandlerState: Sendable, Equatable {
    /// They do.
    case ready
    /// They go out, or wait without loss, but something is not as it should be: a rotation failed and the old file
    /// grows, a connection is down and its spool fills.
    case degraded(IOError)
    /// Nothing goes out, and records are being lost, or soon will be. The handler keeps trying, and is `ready` again
    /// when the cause has gone.
    case failed(IOError)
    /// It was closed on purpose (`LogFileHandler.close()`). Nothing goes out any more, and the fallback is not told of
    /// it.
    case closed

    fileprivate func isAlike(_ other: HandlerState) -> Bool {
        switch (self, other) {
        case (.ready, .ready), (.degraded, .degraded), (.failed, .failed), (.closed, .closed): true
        default: false
        }
    }
}

extension HandlerState: CustomStringConvertible {
    /// `ready`, `closed`, `degraded: rename "app.log": permission denied (EACCES)`, `failed: write "app.log": no space
    /// left on device (ENOSPC)`
    public var description: String {
        switch self {
        case .ready: "ready"
        case .degraded(let reason): "degraded: \(reason)"
        case .failed(let reason): "failed: \(reason)"
        case .closed: "closed"
        }
    }
}

/// The state of one handler, its observers, and what the fallback has been told. Loop thread only; each function
/// returns what the caller must do.
struct HandlerCondition {
    enum Action: Equatable {
        case none
        /// Call `isDue` in a second.
        case announceLater
        /// Tell the fallback of the state.
        case announce
    }

    private(set) var state = HandlerState.ready
    private var announced = HandlerState.ready
    private var isAnnouncementSet = false
    private var observers: [AsyncStream<HandlerState>.Continuation] = []

    mutating func enter(_ new: HandlerState) -> Action {
        guard new != state else { return .none }
        state = new
        observers.removeAll { if case .terminated = $0.yield(new) { true } else { false } }
        guard !new.isAlike(announced), new != .closed else { return .none }
        if new == .ready {
            announced = new
            return .announce
        }
        defer { isAnnouncementSet = true }
        return isAnnouncementSet ? .none : .announceLater
    }

    /// The second is over. True: tell the fallback of the state.
    mutating func isDue() -> Bool {
        isAnnouncementSet = false
        if state == .closed { return false }
        defer { announced = state }
        return !state.isAlike(announced)
    }

    /// The fallback knows of the state already.
    mutating func wasReported() { announced = state }

    mutating func add(_ observer: AsyncStream<HandlerState>.Continuation) {
        observer.yield(state)
        observers.append(observer)
    }
}

extension Handler {
    /// How long a trouble must last before the fallback gets a report.
    private static let hesitation = Duration.seconds(1)

    /// Enters a state. The handler calls it when its state changes. Loop thread.
    final func enter(_ state: HandlerState) {
        if condition.state == .ready { droppedBeforeTrouble = ledger.droppedTotal }
        switch condition.enter(state) {
        case .none: break
        case .announce: announce()
        case .announceLater: loop.after(Handler.hesitation) { [self] in if condition.isDue() { announce() } }
        }
    }

    private final func announce() {
        let dropped = ledger.droppedTotal &- droppedBeforeTrouble
        switch condition.state {
        case .ready: report("\(label) works again; \(dropped) records were dropped meanwhile", .notice)
        case .degraded(let reason): report("\(reason); no record is lost so far, trying again", .warning)
        case .failed(let reason): report("\(reason); \(dropped) records dropped so far, trying again", .error)
        case .closed: break
        }
    }

    /// Makes a record of the handler's own, and hands it to the fallback; without one, and where that has failed
    /// itself, to standard error. Loop thread.
    final func report(_ text: String, _ level: Level, at place: ReportPlace = .whereItWorks) {
        makeReport(text, level) { _ in
        } _: { record in
            if let fallback, fallback.canReport {
                if fallback.wants(record) { _ = fallback.take(record, canWait: false) }
            } else if canReportToStandardError || place == .anywhere {
                var formatter = TextFormatter()
                var line = LineBuffer()
                formatter.format(record, to: &line)
                StandardErrorFallback.report(String(decoding: line.bytes.dropLast(), as: UTF8.self))
            }
        }
    }

    /// Where a handler may report if it has no working fallback.
    enum ReportPlace {
        /// On standard error, unless that is what it is the handler of.
        case whereItWorks
        /// On standard error in any case.
        case anywhere
    }

    private final var canReport: Bool {
        switch condition.state {
        case .ready, .degraded: true
        case .failed, .closed: false
        }
    }

    /// Makes a record of the handler's own. What is logged from within does not come back to it.
    final func makeReport(
        _ text: String, _ level: Level, _ fields: (inout FieldWriter) -> Void, _ body: (borrowing Record) -> Void
    ) {
        guarded { Record.make(text, level, Handler.internalLogger, WallClock.now, CallSite(), fields, body) }
    }

    /// The logger of the library's own records. It is never released: releasing it would be work for the main loop.
    static var internalLogger: LoggerCore { internalLoggerHandle.core }
    private static let internalLoggerHandle = LoggerTree(
        "asynclog", level: .trace, handlers: [], pipeline: Pipeline(loop: .main, handlers: []), clock: .system,
        context: nil
    ).root()

    /// Whether the handler's records go where they should. Any task.
    public final var state: HandlerState {
        get async {
            guard loop.canBeVisited else { return condition.state }
            return await loop.visit { condition.state }
        }
    }

    /// The state now, and each state that the handler enters from now on. Any thread.
    ///
    ///     for await state in handler.states { if case .failed(let reason) = state { page(reason) } }
    ///
    /// Ends with the iteration's task. States that the iteration has not yet asked for are kept, the latest sixteen of
    /// them.
    public final var states: AsyncStream<HandlerState> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: HandlerState.self, bufferingPolicy: .bufferingNewest(16))
        loop.perform { self.condition.add(continuation) }
        return stream
    }

    /// Has the handler report its troubles to `fallback`: that its destination fails, that it works again, what was
    /// lost at the end. Without a fallback, and while the fallback itself has failed, reports go to standard error.
    /// Each is made once, in a record of the logger `asynclog`. Errors that its formatter, or its `handle`, throws are
    /// reported there, too: the first, the second, the fourth, the eighth, … Any thread.
    ///
    ///     network.reportTroubles(to: file)
    ///
    /// - Precondition: both handlers live on the same event loop.
    public final func reportTroubles(to fallback: Handler?) {
        precondition(
            fallback !== self && (fallback == nil || fallback!.loop === loop),
            "fallback: must be another handler on the same event loop")
        loop.perform { self.fallback = fallback }
    }
}
