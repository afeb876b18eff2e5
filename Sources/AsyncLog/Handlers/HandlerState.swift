// How a handler is: whether what it is given goes where it should, who wants to know, and who is told when that changes.
//
// A state is entered at once, and whoever watches (`states`) is told at once. The fallback is told of trouble a second later, so that a connection
// that comes back within it is no news, and a program that is about to end says it only once, with the final count. It is told once of
// each: of the trouble, whatever becomes of its reason, and of its end.
import AsyncFD
import EventLoop

/// Whether a handler's records go where they should.
public enum HandlerState: Sendable, Equatable {
    /// They do.
    case ready
    /// They go out, or wait without loss, but something is not as it should be: a rotation failed and the old file grows, a connection is down and
    /// its spool fills.
    case degraded(IOError)
    /// Nothing goes out, and records are being lost, or soon will be. The handler keeps trying, and is `ready` again when the cause has gone.
    case failed(IOError)
    /// It was closed on purpose (`LogFileHandler.close()`). Nothing goes out any more, and nobody is told of it as of a trouble.
    case closed

    fileprivate func isAlike(_ other: HandlerState) -> Bool {
        switch (self, other) {
        case (.ready, .ready), (.degraded, .degraded), (.failed, .failed), (.closed, .closed): true
        default: false
        }
    }
}

extension HandlerState: CustomStringConvertible {
    /// `ready`, `closed`, `degraded: rename "app.log": permission denied (EACCES)`, `failed: write "app.log": no space left on device (ENOSPC)`
    public var description: String {
        switch self {
        case .ready: "ready"
        case .degraded(let reason): "degraded: \(reason)"
        case .failed(let reason): "failed: \(reason)"
        case .closed: "closed"
        }
    }
}

/// The state of one handler, who wants to know of it, and what the fallback has been told. Loop thread only; what is to be done is returned.
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
    mutating func hasBeenSaid() { announced = state }

    mutating func add(_ observer: AsyncStream<HandlerState>.Continuation) {
        observer.yield(state)
        observers.append(observer)
    }
}

extension Handler {
    /// How long a trouble has to last before the fallback is told of it.
    private static let hesitation = Duration.seconds(1)

    /// To be called by the handler itself when its state changes. Loop thread.
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
        case .ready: say("\(label) works again; \(dropped) records were dropped meanwhile", .notice)
        case .degraded(let reason): say("\(reason); no record is lost so far, trying again", .warning)
        case .failed(let reason): say("\(reason); \(dropped) records dropped so far, trying again", .error)
        case .closed: break
        }
    }

    /// Makes a record of the handler's own, and hands it to the fallback; without one, and where that has failed itself, to standard error. Loop thread.
    final func say(_ text: String, _ level: Level, where place: SpeakingPlace = .whereItWorks) {
        report(text, level) { _ in
        } _: { record in
            if let fallback, fallback.isAbleToSpeak {
                if fallback.wants(record) { _ = fallback.take(record, canWait: false) }
            } else if speaksElsewhere || place == .anywhere {
                var formatter = TextFormatter()
                var line = LineBuffer()
                formatter.format(record, to: &line)
                LastResort.say(String(decoding: line.bytes.dropLast(), as: UTF8.self))
            }
        }
    }

    /// Where a handler may say something if nobody else says it for it.
    enum SpeakingPlace {
        /// On standard error, unless that is what it is the handler of.
        case whereItWorks
        /// On standard error in any case.
        case anywhere
    }

    private final var isAbleToSpeak: Bool {
        switch condition.state {
        case .ready, .degraded: true
        case .failed, .closed: false
        }
    }

    /// Makes a record of the handler's own. What is logged from within does not come back to it.
    final func report(_ text: String, _ level: Level, _ fields: (inout FieldWriter) -> Void, _ body: (borrowing Record) -> Void) {
        guarded { Record.make(text, level, Handler.voice, WallClock.now, CallSite(), fields, body) }
    }

    /// The logger in whose name the library itself speaks. It is held for good: letting go of it would be work for the main loop.
    static var voice: LoggerCore { voiceHandle.core }
    private static let voiceHandle = LoggerTree(
        "asynclog", level: .trace, handlers: [], pipeline: Pipeline(loop: .main, handlers: []), clock: .system, context: nil
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
    /// Ends with the iteration's task. States that nobody asks for in time are kept, the latest sixteen of them.
    public final var states: AsyncStream<HandlerState> {
        let (stream, continuation) = AsyncStream.makeStream(of: HandlerState.self, bufferingPolicy: .bufferingNewest(16))
        loop.perform { self.condition.add(continuation) }
        return stream
    }

    /// Has the handler say on `fallback` what becomes of it: that its destination fails, that it works again, what was lost at the end. Without a
    /// fallback, and while that has failed itself, it is said on standard error. Each is said once, in a record of the logger `asynclog`. What its formatter, or its
    /// `handle`, throws is said there, too: the first time, the second, the fourth, the eighth, … Any thread.
    ///
    ///     network.reportTroubles(to: file)
    ///
    /// - Precondition: both handlers live on the same event loop.
    public final func reportTroubles(to fallback: Handler?) {
        precondition(fallback !== self && (fallback == nil || fallback!.loop === loop), "a fallback is another handler on the same event loop")
        loop.perform { self.fallback = fallback }
    }
}
