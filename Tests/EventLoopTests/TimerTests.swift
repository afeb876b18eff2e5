// Calls that the loop makes later.
import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite("Timers")
struct TimerTests {
    /// Loop thread only.
    private final class Calls: @unchecked Sendable {
        var made: [Int] = []
        var timers: [EventLoop.Timer] = []
    }

    @Test(
        "calls are made at their time: earlier ones first, those of the same instant in the order of asking, among tasks that sleep"
    )
    func order() throws {
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let loop = EventLoop.current!
            let (calls, start) = (Calls(), clock.now)
            for (number, seconds) in [(3, 2), (0, 1), (4, 2), (1, 1), (2, 1), (5, 2)] {
                loop.perform(after: .seconds(seconds)) {
                    #expect(loop.isCurrent && clock.now - start == .seconds(seconds))
                    calls.made.append(number)
                }
            }
            try await EventLoop.sleep(for: .seconds(1))
            #expect(calls.made == [0, 1, 2])
            try await EventLoop.sleep(for: .seconds(1))
            #expect(calls.made == [0, 1, 2, 3, 4, 5])
        }
    }

    @Test("what is due at once is not called from within the call that asks for it")
    func zero() throws {
        try EventLoop.run(clock: ManualClock()) {
            let calls = Calls()
            EventLoop.current!.perform(after: .zero) { calls.made.append(1) }
            EventLoop.current!.perform(after: .seconds(-1)) { calls.made.append(0) }
            #expect(calls.made.isEmpty)
            try await EventLoop.sleep(for: .nanoseconds(1))
            #expect(calls.made == [0, 1])
        }
    }

    @Test(
        "a call that is cancelled is not made, and its closure is freed at once; cancelling again, or afterwards, does nothing"
    )
    func cancel() throws {
        try EventLoop.run(clock: ManualClock()) {
            let loop = EventLoop.current!
            weak var captured: Calls?
            let timer = {
                let calls = Calls()
                captured = calls
                return loop.perform(after: .seconds(1)) { calls.made.append(1) }
            }()
            #expect(captured != nil)
            timer.cancel()
            #expect(captured == nil && loop.timers.count == 0)
            timer.cancel()

            let calls = Calls()
            let late = loop.perform(after: .seconds(1)) { calls.made.append(1) }
            try await EventLoop.sleep(for: .seconds(2))
            late.cancel()
            #expect(calls.made == [1])
        }
    }

    @Test("the closure of a call that has been made is freed, though its timer is kept")
    func freed() throws {
        try EventLoop.run(clock: ManualClock()) {
            weak var captured: Calls?
            let timer = {
                let calls = Calls()
                captured = calls
                return EventLoop.current!.perform(after: .seconds(1)) { calls.made.append(1) }
            }()
            try await EventLoop.sleep(for: .seconds(1))
            #expect(captured == nil)
            timer.cancel()
        }
    }

    @Test("a call cancels another that is due at the same instant, sets a new one, and cancels itself")
    func fromWithin() throws {
        try EventLoop.run(clock: ManualClock()) {
            let loop = EventLoop.current!
            let calls = Calls()
            calls.timers.append(
                loop.perform(after: .seconds(1)) {
                    calls.made.append(0)
                    for timer in calls.timers { timer.cancel() }
                    loop.perform(after: .seconds(1)) { calls.made.append(2) }
                })
            calls.timers.append(loop.perform(after: .seconds(1)) { calls.made.append(1) })
            try await EventLoop.sleep(for: .seconds(3))
            #expect(calls.made == [0, 2])
            #expect(loop.timers.count == 0)
        }
    }

    @Test("cancelled on the loop while another thread's wish for it is still on its way, a call is not made")
    func overtaken() throws {
        try EventLoop.run(clock: ManualClock()) {
            let loop = EventLoop.current!
            let calls = Calls()
            nonisolated(unsafe) var timer: EventLoop.Timer?
            let asked = DispatchlessSemaphore()
            _ = startThread(name: "caller") {
                timer = loop.perform(after: .zero) { calls.made.append(1) }
                asked.signal()
            }
            #expect(asked.wait(seconds: 30))  // the loop has not turned meanwhile
            timer!.cancel()
            try await EventLoop.sleep(for: .seconds(1))
            #expect(calls.made.isEmpty && loop.timers.count == 0)
        }
    }

    @Test(
        "threads set and cancel: what was not cancelled is called once, what was cancelled in time never, and nothing stays"
    )
    func threads() throws {
        let loop = try EventLoop.start(name: "timers")
        defer { loop.stop() }
        let done = DispatchlessSemaphore()
        let calls = Calls()
        for thread in 0..<4 {
            _ = startThread(name: "caller") {
                for number in 0..<1000 {
                    let timer = loop.perform(after: number % 2 == 0 ? .microseconds(number % 7) : .seconds(3600)) {
                        calls.made.append(thread * 1000 + number)
                    }
                    if number % 2 == 1 { timer.cancel() }
                }
                // Behind all that this thread has asked for.
                loop.perform { loop.perform(after: .milliseconds(1)) { done.signal() } }
            }
        }
        for _ in 0..<4 { #expect(done.wait(seconds: 60)) }
        let checked = DispatchlessSemaphore()
        loop.perform {
            #expect(calls.made.sorted() == (0..<4000).filter { $0 % 2 == 0 })
            #expect(loop.timers.count == 0)
            checked.signal()
        }
        #expect(checked.wait(seconds: 60))
    }

    @Test("a loop that has ended lets go of what its timers would have called; cancelling one then keeps nothing alive")
    func loopGoes() throws {
        weak var captured: Calls?
        weak var gone: EventLoop?
        var timer: EventLoop.Timer?
        try EventLoop.run(clock: ManualClock(.byHand)) {
            let calls = Calls()
            captured = calls
            gone = EventLoop.current
            timer = EventLoop.current!.perform(after: .seconds(1)) { calls.made.append(1) }
        }
        #expect(captured == nil && gone != nil)
        #expect(gone?.timers.count == 0)
        timer?.cancel()
        timer = nil
        // The thread that took the call has the last reference for a moment.
        for _ in 0..<60_000 where gone != nil { usleep(1000) }
        #expect(gone == nil)
    }

    @Test("the heap of deadlines gives what a sorted list would, under random use")
    func heap() {
        var heap = DeadlineHeap()
        var model: [(Int64, UInt64)] = []
        var random = SystemRandomNumberGenerator()
        for sequence in 1...20_000 as ClosedRange<UInt64> {
            let growing = sequence / 2000 % 2 == 0
            if Int.random(in: 0..<10, using: &random) < (growing ? 7 : 3) || model.isEmpty {
                let deadline = Int64.random(in: 0..<500, using: &random)
                heap.insert(DeadlineHeap.Entry(deadline: Instant(nanoseconds: deadline), sequence: sequence))
                model.insert((deadline, sequence), at: model.firstIndex { $0 > (deadline, sequence) } ?? model.count)
            } else {
                let first = heap.first
                heap.removeFirst()
                let expected = model.removeFirst()
                if first?.deadline.nanoseconds != expected.0 || first?.sequence != expected.1 {
                    Issue.record("\(String(describing: first))")
                }
            }
            if sequence % 1000 == 0 {
                heap.removeAll { $0.sequence % 3 == 0 }
                model.removeAll { $0.1 % 3 == 0 }
            }
            if heap.count != model.count { Issue.record("\(heap.count) instead of \(model.count)") }
        }
    }
}
