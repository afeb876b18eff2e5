// Sleeping and ticking, by a clock that does not wait, and the table of timers behind it.
import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite("Time")
struct TimeTests {
    // MARK: Sleeping

    @Test(
        "a sleep of more than a day, or of a nanosecond, ends exactly when it should",
        arguments: [.nanoseconds(1), .seconds(1), .seconds(400 * 86_400)] as [Duration])
    func exactSleep(duration: Duration) throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let start = clock.now
            try await EventLoop.sleep(for: duration)
            #expect(clock.now - start == duration)
            #expect(LoopClock().now == clock.now)
        }
    }

    @Test("a sleep beyond the end of time does not wrap around and end at once")
    func endlessSleep() throws {
        try EventLoop.run(clock: ManualClock(.byHand)) {
            let loop = EventLoop.current!
            let sleeper = Task(executorPreference: loop) { try await EventLoop.sleep(for: .seconds(Int64.max)) }
            await loop.manualClock!.advance(by: .seconds(1_000_000_000))
            #expect(loop.timers.count == 1)
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
        }
    }

    @Test(
        "tasks that sleep until the same instant wake in the order of falling asleep, others in the order of their deadlines"
    )
    func order() throws {
        let order = try EventLoop.run(clock: ManualClock()) {
            await withTaskGroup(of: Int.self) { group in
                for (number, seconds) in [(3, 2), (0, 1), (4, 2), (1, 1), (2, 1), (5, 2)] {
                    group.addTask {
                        try? await EventLoop.sleep(for: .seconds(seconds))
                        return number
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
        }
        #expect(order == [0, 1, 2, 3, 4, 5])
    }

    @Test("the machine's clock is set: no timer notices")
    func clockJump() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let sleeper = Task(executorPreference: EventLoop.current!) {
                try await EventLoop.sleep(for: .seconds(10))
                return clock.now
            }
            try await EventLoop.sleep(for: .seconds(5))
            clock.wallTime = .seconds(0)
            #expect(WallClock.now == 0)
            #expect(try await sleeper.value == LoopClock.Instant(nanoseconds: 10_000_000_000))
            #expect(WallClock.now == 5_000_000_000)
        }
    }

    @Test("a task that runs on no loop sleeps all the same, though no loop runs")
    func sleepOffLoop() async throws {
        #expect(EventLoop.current == nil)
        let start = ContinuousClock.now
        try await EventLoop.sleep(for: .milliseconds(5))
        #expect(ContinuousClock.now - start >= .milliseconds(5))
        let sleeper = Task { try await EventLoop.sleep(for: .seconds(3600)) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test("real time: a sleep is never too short, and the clock's own sleep is the same")
    func realSleep() throws {
        try EventLoop.run {
            for duration in [Duration.microseconds(1), .microseconds(300), .milliseconds(3)] {
                let start = LoopClock().now
                try await EventLoop.sleep(for: duration)
                try await Task.sleep(for: duration, clock: .loop)
                #expect(LoopClock().now - start >= duration * 2)
            }
        }
    }

    // MARK: Intervals

    /// When ticks come, if the work after the first one takes `work`; in periods.
    private func ticks(_ missed: Interval.MissedTicks, work: Double, count: Int) throws -> [(due: Double, came: Double)]
    {
        let clock = ManualClock()
        return try EventLoop.run(clock: clock) {
            var ticks: [(Double, Double)] = []
            let start = clock.now
            for await tick in EventLoop.interval(every: .seconds(1), missed: missed) {
                ticks.append(((tick - start) / .seconds(1), (clock.now - start) / .seconds(1)))
                if ticks.count == 1 { try await EventLoop.sleep(for: .seconds(work)) }
                if ticks.count == count { break }
            }
            return ticks
        }
    }

    @Test(
        "the policies for missed ticks do what they say",
        arguments: [
            (.skip, [1, 2, 5, 6], [1, 4.5, 5, 6]), (.burst, [1, 2, 3, 4], [1, 4.5, 4.5, 4.5]),
            (.delay, [1, 2, 5.5, 6.5], [1, 4.5, 5.5, 6.5]),
        ] as [(Interval.MissedTicks, [Double], [Double])])
    func missedTicks(policy: Interval.MissedTicks, due: [Double], came: [Double]) throws {
        let ticks = try ticks(policy, work: 3.5, count: 4)
        #expect(ticks.map(\.due) == due)
        #expect(ticks.map(\.came) == came)
    }

    @Test("an interval does not drift, and ends with its task")
    func interval() throws {
        let clock = ManualClock()
        let count = try EventLoop.run(clock: clock) {
            let ticker = Task(executorPreference: EventLoop.current!) {
                var count = 0
                for await _ in EventLoop.interval(every: .milliseconds(10)) {
                    count += 1
                    try await EventLoop.sleep(for: .milliseconds(3))
                }
                return count
            }
            try await EventLoop.sleep(for: .seconds(1) + .milliseconds(4))
            ticker.cancel()
            return try await ticker.value
        }
        #expect(count == 100)
    }

    // MARK: The manual clock

    @Test("a clock that is moved by hand stands still, lets everything happen on the way, and stops exactly there")
    func byHand() throws {
        let clock = ManualClock(.byHand)
        try EventLoop.run(clock: clock) {
            let seen = Locked<[Int64]>([])
            let ticker = Task(executorPreference: EventLoop.current!) {
                for await _ in EventLoop.interval(every: .seconds(1)) {
                    seen.withLock { $0.append(clock.now.nanoseconds / 1_000_000_000) }
                }
            }
            await clock.advance(by: .zero)
            #expect(seen.withLock { $0 } == [])
            await clock.advance(by: .milliseconds(3500))
            #expect(seen.withLock { $0 } == [1, 2, 3])
            #expect(clock.now.nanoseconds == 3_500_000_000)
            await clock.advance(by: .milliseconds(500))
            #expect(seen.withLock { $0 } == [1, 2, 3, 4])
            ticker.cancel()
            await ticker.value
        }
    }

    @Test("time does not leap while offloaded work is under way")
    func offloadHoldsTime() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let value = try await withTimeout(.seconds(1)) {
                try await EventLoop.offload {
                    usleep(20_000)
                    return 42
                }
            }
            #expect(value == 42)
            #expect(clock.now.nanoseconds == 0)
        }
    }

    // MARK: Many timers

    @Test("a million timers, half of them cancelled: order kept, none lost, memory in proportion to those that live")
    func million() {
        var timers = Timers()
        var fired: [Int64] = []
        var random = SystemRandomNumberGenerator()
        var deadlines: [Int64] = []
        var ids: [TimerID] = []
        for _ in 0..<1_000_000 {
            let deadline = Int64.random(in: 1...1_000_000_000, using: &random)
            deadlines.append(deadline)
            ids.append(timers.add(at: Instant(nanoseconds: deadline), .job(QueuedJob(bits: UInt(deadline) << 1))))
        }
        #expect(timers.count == 1_000_000)
        for index in stride(from: 0, to: 1_000_000, by: 2) { _ = timers.cancel(ids[index]) }
        #expect(timers.count == 500_000)
        while case .action(.job(let job)) = timers.popDue(.distantFuture) { fired.append(Int64(job.bits >> 1)) }
        let expected = stride(from: 1, to: 1_000_000, by: 2).map { deadlines[$0] }.sorted()
        #expect(fired == expected)
        #expect(timers.count == 0)
        #expect(timers.capacity <= 1024)
    }

    @Test("a few long timers that outlive a million short ones do not keep the memory of all of them")
    func survivors() {
        var timers = Timers()
        var survivors: [TimerID] = []
        var others: [TimerID] = []
        for number in 0..<1_000_000 {
            let id = timers.add(at: Instant(nanoseconds: Int64(number)), .job(QueuedJob(bits: 0)))
            if number % 1000 == 0 { survivors.append(id) } else { others.append(id) }
        }
        for id in others.shuffled() { _ = timers.cancel(id) }
        #expect(timers.count == 1000)
        #expect(timers.capacity <= 16_384)
        for id in survivors { if timers.cancel(id) == nil { Issue.record("a timer was lost") } }
        #expect(timers.count == 0)
    }

    @Test("the table of timers agrees with a dictionary under random use, with numbers that collide")
    func table() {
        var table = TimerTable()
        var model: Set<UInt64> = []
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200_000 {
            let number = UInt64.random(in: 1...40, using: &random) * UInt64.random(in: 1...64, using: &random)
            if model.contains(number) {
                if table.remove(number) == nil { Issue.record("\(number) was lost") }
                model.remove(number)
            } else {
                if table.contains(number) { Issue.record("\(number) is there") }
                table.insert(number, .job(QueuedJob(bits: 0)))
                model.insert(number)
            }
            if table.count != model.count { Issue.record("\(table.count) instead of \(model.count)") }
        }
        for number in model { if !table.contains(number) { Issue.record("\(number) cannot be found") } }
    }
}
