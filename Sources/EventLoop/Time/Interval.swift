// Ticks at equal distances.
//
// A loop of `sleep(for:)` drifts: each round adds the time of its work. An interval keeps to a grid that begins when it
// is made, and the user chooses what happens when the work takes longer than a period.

/// A sequence of ticks, one every period; see `EventLoop.interval`. To be iterated over by one task at a time.
public struct Interval: AsyncSequence, Sendable {
    /// What happens when the consumer has missed one tick or more.
    public enum MissedTicks: Sendable {
        /// One tick comes late, the others are left out: the next one after it is the first on the grid that still lies
        /// ahead. For work that one round does for all missed ticks.
        case skip
        /// Missed ticks come one after the other without a pause, until the grid is reached again. For counting.
        case burst
        /// The grid moves: the next tick comes one period after the late one. For keeping a distance.
        case delay
    }

    let start: LoopClock.Instant
    let period: Duration
    let missed: MissedTicks

    public func makeAsyncIterator() -> Iterator { Iterator(due: start + period, period: period, missed: missed) }

    /// Knows when the next tick is due. For one task at a time.
    public struct Iterator: AsyncIteratorProtocol {
        private var due: LoopClock.Instant
        private let period: Duration
        private let missed: MissedTicks

        init(due: LoopClock.Instant, period: Duration, missed: MissedTicks) {
            self.due = due
            self.period = period
            self.missed = missed
        }

        /// Suspends the task until the next tick is due, and returns when that was: the time on the grid, which may be
        /// a little earlier than now. A tick that is due already comes at once. Nil when the task is cancelled.
        public mutating func next() async -> LoopClock.Instant? {
            let tick = due
            do { try await EventLoop.sleep(until: tick) } catch { return nil }
            due = following(tick, .now)
            return tick
        }

        public mutating func next(isolation actor: isolated (any Actor)?) async -> LoopClock.Instant? { await next() }

        /// The tick after the one that was due at `tick` and came at `now`.
        func following(_ tick: LoopClock.Instant, _ now: LoopClock.Instant) -> LoopClock.Instant {
            switch missed {
            case .burst: return tick + period
            case .delay: return Swift.max(tick, now) + period
            case .skip:
                let late = Swift.max(0, tick.nanoseconds(to: now))
                return tick + period + period * (late / Swift.max(1, period.clampedNanoseconds))
            }
        }
    }
}

extension EventLoop {
    /// Ticks every `period`, the first after one period.
    ///
    ///     for await _ in EventLoop.interval(every: .seconds(1)) { report() }
    ///
    /// By the current loop's clock. The iteration ends when its task is cancelled.
    ///
    /// - Parameter missed: what happens when the consumer takes longer than a period; missed ticks are left out unless
    ///   said otherwise.
    /// - Precondition: `period` is more than zero.
    public static func interval(every period: Duration, missed: Interval.MissedTicks = .skip) -> Interval {
        precondition(period > .zero, "interval: period must be more than zero")
        return Interval(start: .now, period: period, missed: missed)
    }
}
