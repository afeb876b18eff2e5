// When to connect again: pure, with chance and time in the test's hand.
import EventLoop
import TestSupport
import Testing

@testable import AsyncLog

@Suite("ConnectionMachine")
struct ConnectionMachineTests {
    private func instant(_ duration: Duration) -> Instant { Instant(nanoseconds: 0) + duration }

    private func pause(_ action: ConnectionMachine.Action) -> Duration? {
        if case .pause(let pause) = action { pause } else { nil }
    }

    @Test("pauses double up to the limit; chance takes at most half of each")
    func doubling() {
        for seed in UInt64(0)..<10 {
            var chance = SeededGenerator(state: seed)
            var machine = ConnectionMachine(Backoff(first: .milliseconds(100), longest: .seconds(30)), random: chance)
            #expect(machine.start() == .connect)
            var expected = Duration.milliseconds(100)
            for _ in 0..<40 {
                let share = Double.random(in: 0.5...1, using: &chance)
                let pause = pause(machine.failed())
                #expect(
                    pause.map { abs($0 / (expected * share) - 1) < 0.000_001 } == true,
                    "\(String(describing: pause)), not \(expected * share)")
                #expect(machine.isDue() == .connect)
                expected = min(expected * 2, .seconds(30))
            }
        }
    }

    @Test(
        "a server that accepts and hangs up is not hammered; after a connection that has lasted the pauses begin anew")
    func hangingUp() {
        var machine = ConnectionMachine(
            Backoff(first: .milliseconds(100), longest: .seconds(10)), random: SeededGenerator(state: 1))
        _ = machine.start()
        for round in 0..<5 {
            machine.made(at: instant(.seconds(round)))
            #expect(
                pause(machine.lost(at: instant(.seconds(round)) + .milliseconds(500))).map {
                    $0 >= .milliseconds(50 << round)
                } == true)
            #expect(machine.isDue() == .connect)
        }
        machine.made(at: instant(.seconds(100)))
        #expect(pause(machine.lost(at: instant(.seconds(110)))).map { $0 <= .milliseconds(100) } == true)
    }

    @Test("calls that come at the wrong time do nothing")
    func wrongTime() {
        var machine = ConnectionMachine(Backoff(), random: SeededGenerator(state: 1))
        #expect(machine.isDue() == .none)
        #expect(machine.start() == .connect)
        #expect(machine.start() == .none && machine.hurry() == .none && machine.isDue() == .none)
        machine.made(at: instant(.zero))
        #expect(machine.start() == .none && machine.hurry() == .none && machine.isDue() == .none)
        #expect(machine.lost(at: instant(.seconds(1))) != .none)
        #expect(machine.lost(at: instant(.seconds(1))) == .none, "a connection breaks once")
        #expect(machine.hurry() == .connect)
        machine.end()
        #expect(machine.isDue() == .none)
        #expect(machine.hurry() == .connect)
    }

    @Test("a thousand clients of a server that went down do not come back at once")
    func jitter() {
        var pauses: [Duration] = []
        for seed in 0..<1000 {
            var machine = ConnectionMachine(Backoff(), random: SeededGenerator(state: UInt64(seed)))
            _ = machine.start()
            machine.made(at: instant(.zero))
            pauses.append(pause(machine.lost(at: instant(.seconds(60))))!)
        }
        pauses.sort()
        #expect(pauses[0] >= .milliseconds(50) && pauses[999] <= .milliseconds(100))
        #expect(pauses[900] - pauses[100] > .milliseconds(30), "they come in a crowd")
    }
}
