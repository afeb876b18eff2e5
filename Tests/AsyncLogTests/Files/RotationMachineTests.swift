// The order of things when a file is left for another one, step by step and without files.
#if DEBUG
import EventLoop
import Testing

@testable import AsyncLog

@Suite("Rotation machine")
struct RotationMachineTests {
    private func machine(_ size: Int64? = 100, open: Int64 = 0) -> RotationMachine {
        var machine = RotationMachine(sizeLimit: size, schedule: nil, rotatesAtStart: false)
        #expect(next(&machine, 10) == .begin(.open))
        #expect(next(&machine, 10) == .wait)
        machine.opened(size: open, modified: 0, canRotate: true)
        return machine
    }

    /// Records of ten bytes each wait.
    private func next(_ machine: inout RotationMachine, _ count: Int, begun: Int = 0, now: Int64 = 0)
        -> RotationMachine.Answer
    {
        let first = begun > 0 ? begun : 10
        return machine.next(
            RotationMachine.Pending(count: count, begun: begun, first: first), second: 0,
            now: LoopClock.Instant(nanoseconds: now)
        ) { limit in limit < first ? first : first + (limit - first) / 10 * 10 }
    }

    @Test("a file takes what fits into it, and is left before the record that does not")
    func fits() {
        var machine = machine(open: 75)
        #expect(next(&machine, 500) == .write(20))
        machine.wrote(20, second: 0)
        #expect(next(&machine, 480) == .begin(.rotate(ifLargerThan: 90)))
    }

    @Test("a record that is half in a file is finished there, although another file is wanted")
    func begun() {
        var machine = machine()
        _ = next(&machine, 30)
        machine.wrote(4, second: 0)
        machine.request(.rotate(ifLargerThan: 0), pending: 26)
        #expect(next(&machine, 100, begun: 6) == .write(6))
        machine.wrote(6, second: 0)
        // The 20 bytes that waited when it was asked for still belong into the old file; what came since does not.
        #expect(next(&machine, 94) == .write(20))
        machine.wrote(20, second: 0)
        #expect(next(&machine, 74) == .begin(.rotate(ifLargerThan: 0)))
    }

    @Test("records that are dropped while they wait do not let later ones into the file that is about to end")
    func dropped() {
        var machine = machine()
        machine.request(.rotate(ifLargerThan: 0), pending: 50)
        // Two of the five, behind two that are being written; then one of those that came later.
        machine.discarded(10, behind: 20)
        machine.discarded(10, behind: 20)
        machine.discarded(10, behind: 40)
        #expect(next(&machine, 60) == .write(30))
        machine.wrote(30, second: 0)
        #expect(next(&machine, 30) == .begin(.rotate(ifLargerThan: 0)))
    }

    @Test("what still belongs into a file does not make it larger than it may be", arguments: [0, 90])
    func cutoffAndLimit(open: Int64) {
        var machine = machine(open: open)
        machine.request(.rotate(ifLargerThan: 0), pending: 500)
        #expect(next(&machine, 500) == .write(Int(100 - open)))
        machine.wrote(Int(100 - open), second: 0)
        #expect(next(&machine, 400) == .begin(.rotate(ifLargerThan: 0)))
        machine.opened(size: 0, modified: 0, canRotate: true)
        #expect(next(&machine, 400) == .write(100))
    }

    @Test("a record that is larger than a file goes into an empty one, also if that one is to be left")
    func cutoffAndLargeRecord() {
        var machine = machine(5)
        machine.request(.reopen(awaitsNewFile: false), pending: 30)
        #expect(next(&machine, 30) == .write(10))
        machine.wrote(10, second: 0)
        #expect(next(&machine, 20) == .begin(.reopen(awaitsNewFile: false)))
    }

    @Test("a wish to open the file again does not make it larger than it may be either")
    func reopeningAndLimit() {
        var machine = machine(open: 75)
        machine.request(.reopen(awaitsNewFile: false), pending: 500)
        #expect(next(&machine, 500) == .write(20))
        machine.wrote(20, second: 0)
        #expect(next(&machine, 480) == .begin(.reopen(awaitsNewFile: false)))
        machine.unchanged(.reopen(awaitsNewFile: false), size: 95)
        #expect(next(&machine, 480) == .begin(.rotate(ifLargerThan: 90)))
    }

    @Test("a wish to open the file again that comes while another one is opened has been fulfilled by that")
    func reopeningWhileSwitching() {
        var machine = machine(open: 100)
        #expect(next(&machine, 500) == .begin(.rotate(ifLargerThan: 90)))
        machine.request(.reopen(awaitsNewFile: true), pending: 500)
        machine.opened(size: 0, modified: 0, canRotate: true)
        #expect(!machine.isSwitchWanted && next(&machine, 500) == .write(100))
    }

    @Test(
        "after a failure the old file is written to freely, until it is time to try again; pauses grow, and success forgets them"
    )
    func failures() {
        var machine = machine(open: 100)
        var now: Int64 = 0
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] as [Int64] {
            #expect(next(&machine, 500, now: now) == .begin(.rotate(ifLargerThan: 90)))
            #expect(
                machine.failed(.rotate(ifLargerThan: 90), now: LoopClock.Instant(nanoseconds: now)) == .seconds(seconds)
            )
            #expect(next(&machine, 500, now: now) == .write(500))
            now += seconds * 1_000_000_000
        }
        #expect(next(&machine, 500, now: now) == .begin(.rotate(ifLargerThan: 90)))
        machine.opened(size: 0, modified: 0, canRotate: true)
        #expect(next(&machine, 500, now: now) == .write(100))
    }

    @Test("a look at the file while a rotation fails neither brings the rotation forward nor lets it be forgotten")
    func reopeningWhileFailing() {
        var machine = machine()
        _ = next(&machine, 10)
        machine.wrote(10, second: 0)
        machine.request(.rotate(ifLargerThan: 0), pending: 0)
        #expect(next(&machine, 0) == .begin(.rotate(ifLargerThan: 0)))
        #expect(machine.failed(.rotate(ifLargerThan: 0), now: LoopClock.Instant(nanoseconds: 0)) == .seconds(1))
        machine.request(.reopen(awaitsNewFile: false), pending: 0)
        #expect(next(&machine, 20, now: 1000) == .begin(.reopen(awaitsNewFile: false)))
        machine.unchanged(.reopen(awaitsNewFile: false), size: 10)
        #expect(machine.isRotationPostponed && next(&machine, 20, now: 2000) == .write(20))
        machine.wrote(20, second: 0)
        #expect(next(&machine, 10, now: 1_000_000_000) == .begin(.rotate(ifLargerThan: 0)))
        machine.opened(size: 0, modified: 0, canRotate: true)
        #expect(!machine.isRotationPostponed)
    }

    @Test("a file that others have truncated has room again")
    func truncated() {
        var machine = machine(open: 95)
        machine.corrected(size: 0, known: 95)
        #expect(next(&machine, 50) == .write(50))
        machine.wrote(50, second: 0)
        machine.corrected(size: 60, known: 50)  // a write that we have not heard of yet
        #expect(machine.size == 50)
    }

    @Test("what is no regular file is never rotated")
    func device() {
        var machine = RotationMachine(
            sizeLimit: 10, schedule: RotationSchedule(rules: [.period(1, .seconds)], zone: .utc), rotatesAtStart: true)
        _ = next(&machine, 10)
        machine.opened(size: 500, modified: -100, canRotate: false)
        #expect(next(&machine, 500) == .write(500))
    }
}
#endif
