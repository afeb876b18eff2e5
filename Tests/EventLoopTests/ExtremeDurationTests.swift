// Durations at the ends of what there is: they are clamped, and nothing traps.
import TestSupport
import Testing

@testable import EventLoop

@Suite("Extreme durations")
struct ExtremeDurationTests {
    static let past: [Duration] = [
        .seconds(Int64.min), .nanoseconds(Int64.min), .seconds(-9_223_372_037), .seconds(-1), .zero,
    ]

    @Test("a sleep of the most negative duration there is ends at once", arguments: past, [true, false])
    func sleep(duration: Duration, isManual: Bool) throws {
        try EventLoop.run(clock: isManual ? ManualClock() : nil) {
            let start = Instant.now
            try await EventLoop.sleep(for: duration)
            #expect(Instant.now - start < .seconds(30))
        }
    }

    @Test(
        "a timer that was due long before the machine was started fires, and a timeout of that kind is over",
        arguments: past)
    func timers(duration: Duration) throws {
        try EventLoop.run {
            let fired = Locked(false)
            EventLoop.current!.perform(after: duration) { fired.value = true }
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(duration) { try await EventLoop.sleep(for: .seconds(3600)) }
            }
            while !fired.value { try await EventLoop.sleep(for: .zero) }
        }
    }

    @Test("an embedded loop with such a timer wakes at once")
    func embedded() throws {
        let loop = try EventLoop.embedded(name: "embedded")
        let fired = Locked(false)
        loop.perform(after: .seconds(Int64.min)) { fired.value = true }
        for _ in 0..<10 where !fired.value { loop.runOnce() }
        #expect(fired.value)
    }

    @Test("differences of instants saturate")
    func differences() {
        let (least, most) = (Instant(nanoseconds: .min), Instant(nanoseconds: .max))
        #expect(least + .seconds(Int64.min) == least && most + .seconds(Int64.max) == most)
        #expect(most - least == .nanoseconds(Int64.max) - .nanoseconds(Int64.min))
        for missed in [Interval.MissedTicks.skip, .burst, .delay] {
            let ticks = Interval.Iterator(due: least, period: .nanoseconds(1), missed: missed)
            #expect(ticks.following(least, most) >= least)
        }
    }
}
