// The one door through which other threads reach a loop: jobs, calls, log records.
//
// A Treiber stack (R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986): one word, which threads push to with
// compare-exchange and which the loop empties with one exchange. A thread that is preempted in the middle of a push holds nobody
// up, since nothing is visible before its compare-exchange. The loop turns the stack over, so each thread's order is kept.
//
// The same word says whether the loop sleeps. Only the push that finds it asleep pays for a wake-up; a thousand pushes to a loop
// that is awake, or that somebody has already woken, cost no system call. A loop that dozes will look by itself before long (Doze.swift), so
// that what is patient, log records, does not wake it; what is not, a job or a call, does.
//
//     63                                                    4  3    2         1        0
//     ┌──────────────────────────────────────────────────────┬───┬─────────┬────────┬────────┐
//     │ the newest envelope; its `next` leads to the older   │ 0 │ patient │ dozing │ asleep │
//     └──────────────────────────────────────────────────────┴───┴─────────┴────────┴────────┘
//
//     0          empty, the loop is awake and will look again before it sleeps
//     asleep     empty, the loop sleeps (or is about to) and must be woken through the eventfd
//     dozing     the loop dozes, and nothing has come that would have it woken
//     patient    something has come that is patient
import Glibc
import Synchronization

/// What is in the inbox: a link, and how to deliver what stands behind it in the same allocation.
///
/// Whoever posts an envelope allocates it, with `make` or from a pool (BlockPool.swift); `deliver` runs once, on the loop's thread, and frees it.
package struct Envelope {
    package typealias Deliver = @convention(c) (UnsafeMutableRawPointer) -> Void

    fileprivate var next: UInt
    fileprivate let deliver: Deliver

    /// Where the contents begin, behind the link; aligned for any of Swift's basic types.
    package static var headerSize: Int { 16 }

    /// Allocates an envelope with room for `size` bytes of contents.
    package static func make(size: Int, deliver: @escaping Deliver) -> UnsafeMutableRawPointer {
        // malloc(3) aligns for any of the basic types. Asked for that, Swift goes through posix_memalign(3), which takes three times as long.
        guard let memory = malloc(headerSize + size) else { fatalError("no memory for \(size) bytes on their way to an event loop") }
        address(memory, to: deliver)
        return memory
    }

    /// Makes an envelope of memory that is there already, aligned to 16 bytes.
    @inline(__always)
    package static func address(_ memory: UnsafeMutableRawPointer, to deliver: @escaping Deliver) {
        memory.initializeMemory(as: Envelope.self, to: Envelope(next: 0, deliver: deliver))
    }
}

struct Inbox: ~Copyable, Sendable {
    private static let awake: UInt = 0
    private static let asleep: UInt = 1
    private static let dozing: UInt = 2
    private static let patient: UInt = 4
    /// Envelopes are aligned to 16 bytes.
    private static let marks: UInt = 15

    private let head = Atomic<UInt>(Inbox.awake)
    /// What has been taken and is being delivered, oldest first. Loop thread only: atomic merely because an inbox is immutable.
    private let taken = Atomic<UInt>(0)

    /// Adds an envelope. Any thread; lock-free. Returns true if the loop sleeps and the caller has to wake it.
    ///
    /// - Parameter isPatient: a loop that dozes need not be woken for it.
    func push(_ envelope: UnsafeMutableRawPointer, isPatient: Bool = false) -> Bool {
        let node = envelope.assumingMemoryBound(to: Envelope.self)
        var seen = head.load(ordering: .relaxed)
        while true {
            node.pointee.next = seen & ~Inbox.marks
            let kept = seen & (isPatient ? Inbox.dozing | Inbox.patient : Inbox.patient)
            let (done, now) = head.weakCompareExchange(
                expected: seen, desired: UInt(bitPattern: node) | kept | (isPatient ? Inbox.patient : 0),
                successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed)
            if done { return seen == Inbox.asleep || seen & Inbox.dozing != 0 && !isPatient }
            seen = now
        }
    }

    /// True if nothing has come since the last `deliverAll`. Loop thread; for the ordering, see Ownership.swift.
    var isEmpty: Bool { head.load(ordering: .sequentiallyConsistent) & ~Inbox.marks == 0 && isDelivered }

    /// True if nothing is left of what the last `deliverAll` has taken. Loop thread.
    var isDelivered: Bool { taken.load(ordering: .relaxed) == 0 }

    /// Announces that the loop is going to sleep, or to doze. False if something has arrived meanwhile. Loop thread.
    func prepareToSleep(dozing: Bool = false) -> Bool {
        guard isDelivered else { return false }
        let word = dozing ? Inbox.dozing : Inbox.asleep
        let (announced, seen) = head.compareExchange(expected: Inbox.awake, desired: word, ordering: .acquiringAndReleasing)
        return announced || seen == word
    }

    /// Takes everything and delivers it, oldest first; marks the loop as awake. Returns whether anything of it was patient. Loop thread.
    ///
    /// Called from within a delivery it goes on with the rest: at exit, a call from another thread turns the loop until all is written,
    /// and what it waits for may stand right behind it.
    @discardableResult
    func deliverAll() -> Bool {
        let hasPatient = head.load(ordering: .relaxed) != Inbox.awake && take()
        while let node = UnsafeMutablePointer<Envelope>(bitPattern: taken.load(ordering: .relaxed)) {
            taken.store(node.pointee.next, ordering: .relaxed)
            node.pointee.deliver(UnsafeMutableRawPointer(node))
        }
        return hasPatient
    }

    /// Puts what has come behind what has been taken before. Returns whether anything of it is patient.
    private func take() -> Bool {
        let word = head.exchange(Inbox.awake, ordering: .acquiringAndReleasing)
        let hasPatient = word & Inbox.patient != 0
        var newest = word & ~Inbox.marks
        guard newest != 0 else { return false }
        var oldest: UInt = 0
        while let node = UnsafeMutablePointer<Envelope>(bitPattern: newest) {
            newest = node.pointee.next
            node.pointee.next = oldest
            oldest = UInt(bitPattern: node)
        }
        if var last = UnsafeMutablePointer<Envelope>(bitPattern: taken.load(ordering: .relaxed)) {
            while let next = UnsafeMutablePointer<Envelope>(bitPattern: last.pointee.next) { last = next }
            last.pointee.next = oldest
        } else {
            taken.store(oldest, ordering: .relaxed)
        }
        return hasPatient
    }
}
