// Where timestamps come from: the machine's clock, or one that a test sets.
import EventLoop
import Synchronization

/// Where timestamps come from.
public struct LogClock: Sendable {
    private let manual: ManualLogClock?

    /// The machine's wall-clock time, read when the logger is called.
    public static let system = LogClock(manual: nil)

    /// A clock for tests that stands still until the test sets it.
    public static func manual(_ clock: ManualLogClock) -> LogClock { LogClock(manual: clock) }

    @inline(__always)
    var now: Int64 { manual?.now.nanoseconds ?? WallClock.now }
}

/// A clock that stands still until `advance`, so that a test knows the timestamps of its log lines.
///
///     let clock = ManualLogClock()
///     let logger = Logger("test", handlers: [memory], clock: .manual(clock))
public final class ManualLogClock: Sendable {
    private let nanoseconds: Atomic<Int64>

    /// - Parameter start: the first time; 2026-01-01T00:00:00Z by default.
    public init(_ start: WallTime = WallTime(nanoseconds: 1_767_225_600_000_000_000)) {
        nanoseconds = Atomic(start.nanoseconds)
    }

    /// The clock's time. Any thread.
    public var now: WallTime {
        get { WallTime(nanoseconds: nanoseconds.load(ordering: .relaxed)) }
        set { nanoseconds.store(newValue.nanoseconds, ordering: .relaxed) }
    }

    /// Sets the clock forward. Any thread.
    public func advance(by duration: Duration) { nanoseconds.add(duration.wholeNanoseconds, ordering: .relaxed) }
}
