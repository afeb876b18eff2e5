// When a log file is left for another one: the order of things, without doing any of them.
//
//     closed ── begin(.open) ──► switching ── opened ──► open ── reopening or rotation is due ──► switching
//                                    ▲   │                ▲                                          │
//                       retry is due └───┴── failed       └────────── opened, unchanged, failed ─────┘
//
// Before each write it is asked how many bytes may go into the file that is open. So a file ends between two records,
// and what was accepted before the moment at which it ends is still in it.
import AsyncFD
import EventLoop

/// Pure. Loop thread only, like the handler that it belongs to.
struct RotationMachine {
    /// What is to be done next, off the loop, while nothing is written.
    enum Switch: Equatable, Sendable {
        case open
        /// - Parameter awaitsNewFile: others have moved the file away, and probably make a new one in a moment.
        case reopen(awaitsNewFile: Bool)
        /// - Parameter limit: not if the file is not larger than this.
        case rotate(ifLargerThan: Int64)

        var isReopening: Bool { if case .reopen = self { true } else { false } }
    }

    enum Answer: Equatable {
        /// So many bytes may be written.
        case write(Int)
        /// None may; do this and report with `opened`, `unchanged` or `failed`.
        case begin(Switch)
        /// None may: something is being done.
        case wait
    }

    private enum Phase: Equatable { case closed, switching(wasOpen: Bool), open }

    /// What waits to be written, as far as it matters here.
    struct Pending {
        /// In bytes.
        let count: Int
        /// What is left of a record that is half in the file.
        let begun: Int
        /// The oldest record's bytes.
        let first: Int
    }

    private let sizeLimit: Int64?
    private let schedule: RotationSchedule?
    private let rotatesAtStart: Bool

    private var phase = Phase.closed
    private var canRotate = false
    private var hasBeenOpen = false
    private(set) var size: Int64 = 0
    /// When what is in the file began, by the schedule; in seconds since 1970.
    private var start: Int64?
    /// When the file ends; nil as long as there is nothing in it.
    private(set) var deadline: Int64?
    private var wanted: Switch?
    /// Bytes that still belong into the old file.
    private var cutoff = 0
    /// What has failed, and is tried again after a pause.
    private var postponed: Switch?
    private var quietUntil: Instant?
    private var failures = 0

    init(sizeLimit: Int64?, schedule: RotationSchedule?, rotatesAtStart: Bool) {
        self.sizeLimit = sizeLimit
        self.schedule = schedule
        self.rotatesAtStart = rotatesAtStart
    }

    var isSwitching: Bool { if case .switching = phase { true } else { false } }
    var isOpen: Bool { phase == .open || phase == .switching(wasOpen: true) }
    var isSwitchWanted: Bool { wanted != nil }
    /// A rotation has failed, and has not been made since.
    var isRotationPostponed: Bool { if case .rotate = postponed { true } else { false } }

    // MARK: Wishes

    /// Another file is requested, from behind the `pending` bytes that wait now, or as many of them as the one that is
    /// open may hold. A rotation includes a reopening.
    mutating func request(_ switching: Switch, pending: Int) {
        guard phase != .closed else { return }
        if case .rotate = wanted, case .reopen = switching { return }
        wanted = switching
        cutoff = pending
    }

    /// The file that is open has been removed: nothing more goes into it, and another one is opened.
    mutating func lostFile() {
        guard phase == .open else { return }
        if wanted == nil { wanted = .reopen(awaitsNewFile: true) }
        cutoff = 0
    }

    /// The time has come at which a timer was set. Returns true if the file ends now.
    mutating func timerFired(second: Int64, pending: Int) -> Bool {
        guard phase == .open, let deadline, second >= deadline else { return false }
        request(.rotate(ifLargerThan: 0), pending: pending)
        return true
    }

    // MARK: Writing

    /// What may be done now that bytes wait, or a switch was requested. `whole`: how many bytes the oldest records have
    /// that fit into a limit.
    mutating func next(_ pending: Pending, second: Int64, now: Instant, whole: (Int) -> Int) -> Answer {
        switch phase {
        case .switching: return .wait
        case .closed: return begin(.open)
        case .open: break
        }
        if wanted == nil, isTime(now) {
            wanted = postponed ?? (deadline.map { second >= $0 } == true ? .rotate(ifLargerThan: 0) : nil)
            cutoff = 0
        }
        if let wanted {
            if pending.begun > 0 { return .write(pending.begun) }
            var room = Int64(cutoff)
            // A record that is larger than a file has one for itself.
            if let sizeLimit, canRotate {
                room = min(room, max(sizeLimit - size, size == 0 ? Int64(pending.first) : 0))
            }
            if cutoff > 0, pending.count > 0, room >= pending.first {
                return .write(min(pending.count, whole(Int(room))))
            }
            return begin(wanted)
        }
        guard let sizeLimit, canRotate, isTime(now) else { return .write(pending.count) }
        if size > 0, pending.begun == 0, pending.count > 0, size + Int64(pending.first) > sizeLimit {
            return begin(.rotate(ifLargerThan: max(0, sizeLimit - Int64(pending.first))))
        }
        return .write(min(pending.count, whole(Int(max(0, sizeLimit - size)))))
    }

    private func isTime(_ now: Instant) -> Bool { quietUntil.map { now >= $0 } ?? true }

    private mutating func begin(_ switching: Switch) -> Answer {
        phase = .switching(wasOpen: phase == .open)
        wanted = nil
        cutoff = 0
        return .begin(switching)
    }

    mutating func wrote(_ count: Int, second: Int64) {
        if size == 0, canRotate { begin(at: second) }
        size += Int64(count)
        cutoff = max(0, cutoff - count)
    }

    /// So many of the bytes that wait have been taken back, behind the oldest `kept`.
    mutating func discarded(_ size: Int, behind kept: Int) {
        if cutoff > kept { cutoff = max(kept, cutoff - size) }
    }

    private mutating func begin(at second: Int64) {
        start = schedule?.start(at: second)
        deadline = schedule?.next(after: second)
    }

    /// What the name of the file that ends says: when it began, or, if it does not end by the clock, when it ended.
    func moment(second: Int64) -> Int64 { start ?? schedule?.start(at: second) ?? second }

    // MARK: What came of it

    /// - Parameter second: when the file was last written to, if there is something in it.
    mutating func opened(size: Int64, modified second: Int64, canRotate: Bool) {
        phase = .open
        if wanted?.isReopening == true { wanted = nil }  // that is what has been done
        self.canRotate = canRotate
        self.size = size
        (start, deadline) = (nil, nil)
        succeeded()
        if canRotate, size > 0 {
            begin(at: second)
            if rotatesAtStart, !hasBeenOpen { wanted = .rotate(ifLargerThan: 0) }
        }
        hasBeenOpen = true
    }

    private mutating func succeeded() {
        (postponed, quietUntil) = (nil, nil)
        failures = 0
    }

    /// The file that is open is the right one after all, and has this size.
    mutating func unchanged(_ switching: Switch, size: Int64) {
        phase = .open
        self.size = size
        // A look at the file does not mend a rotation that has failed.
        if !switching.isReopening || !isRotationPostponed { succeeded() }
        if size == 0 { (start, deadline) = (nil, nil) }
    }

    /// It did not work. With a file that is open, that one is written to on, and `switching` comes again with the first
    /// write after the pause.
    ///
    /// - Parameter isLost: the file that was open has been removed, so there is none any more.
    /// - Returns: how long to wait before `next` is asked again.
    mutating func failed(_ switching: Switch, isLost: Bool = false, now: Instant) -> Duration {
        let wasOpen = phase == .switching(wasOpen: true) && !isLost
        phase = wasOpen ? .open : .closed
        if !wasOpen { postponed = nil } else if !switching.isReopening || !isRotationPostponed { postponed = switching }
        let (first, longest): (Duration, Duration) =
            wasOpen ? (.seconds(1), .seconds(60)) : (.milliseconds(100), .seconds(10))
        let pause = min(first * (1 << min(failures, 10)), longest)
        failures += 1
        quietUntil = now + pause
        return pause
    }

    /// A look at the file has said that it is `size` bytes large, where our own account says `known`: another program
    /// has truncated it.
    mutating func corrected(size: Int64, known: Int64) {
        guard phase == .open, size < known else { return }
        self.size = size
        if size == 0 { (start, deadline) = (nil, nil) }
    }
}
