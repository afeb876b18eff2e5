// When to connect: at once, and after each failure a while later, and later.
//
//     idle ── start ──► connecting ── made ──► connected
//                        ▲      │ failed          │ broke
//                        │      ▼                 │
//             is due ────┴── pausing ◄────────────┘
//
// Pauses double up to a limit. Each is shortened by a random part, so that a thousand clients of a server that comes
// back do not come back in the same moment ("Exponential Backoff And Jitter", M. Brooker; "equal jitter"). They begin
// anew only after a connection that has lasted: a server that accepts and hangs up is not hammered.
import EventLoop

/// The pauses between attempts to connect.
public struct Backoff: Sendable, Equatable {
    /// The first pause, at most: half of each is left to chance.
    public var first: Duration
    /// No pause is longer. A connection that has lasted as long counts as good, and the pauses begin anew.
    public var longest: Duration

    /// - Precondition: `first` is more than zero, and `longest` not less than it.
    public init(first: Duration = .milliseconds(100), longest: Duration = .seconds(30)) {
        precondition(
            first > .zero && longest >= first,
            "backoff: first must be more than zero, longest at least as long as first")
        self.first = first
        self.longest = longest
    }
}

/// Pure: each function returns what its caller must do next.
struct ConnectionMachine {
    enum Phase: Equatable {
        case idle
        case connecting
        case connected(since: Instant)
        case pausing
    }

    enum Action: Equatable {
        case none
        /// Begin an attempt, report with `made` or `failed`.
        case connect
        /// Call `isDue` after the pause.
        case pause(Duration)
    }

    private(set) var phase = Phase.idle
    private let backoff: Backoff
    private var random: any RandomNumberGenerator & Sendable
    /// Since the last connection that was good.
    private var failures = 0

    init(_ backoff: Backoff, random: any RandomNumberGenerator & Sendable) {
        self.backoff = backoff
        self.random = random
    }

    mutating func start() -> Action {
        guard phase == .idle else { return .none }
        phase = .connecting
        return .connect
    }

    mutating func made(at now: Instant) { phase = .connected(since: now) }

    mutating func failed() -> Action { pause() }

    mutating func lost(at now: Instant) -> Action {
        guard case .connected(let since) = phase else { return .none }
        if now - since >= backoff.longest { failures = 0 }
        return pause()
    }

    mutating func isDue() -> Action {
        guard phase == .pausing else { return .none }
        phase = .connecting
        return .connect
    }

    /// There is no time to pause.
    mutating func hurry() -> Action { phase == .idle ? start() : isDue() }

    mutating func end() { phase = .idle }

    private mutating func pause() -> Action {
        phase = .pausing
        // 2^20 times a nanosecond is a millisecond, and beyond that any limit has been reached, or it is a strange one.
        let pause = min(backoff.longest, backoff.first * (1 << min(failures, 20)))
        failures += 1
        return .pause(pause * Double.random(in: 0.5...1, using: &random))
    }
}
