// The one entry through which other threads reach a loop: jobs, calls, log records.
//
// A Treiber stack (R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986): one word, which threads push
// to with compare-exchange and which the loop empties with one exchange. A thread that is preempted in the middle of a
// push delays no other thread, since nothing is visible before its compare-exchange. The loop reverses the stack, so
// each thread's order is kept.
//
// The same word says whether the loop sleeps. Only the push that finds it asleep pays for a wake-up; a thousand pushes
// to a loop that is awake, or already woken, cost no system call. A loop that coalesces wake-ups looks by itself before
// long (WakeupCoalescing.swift). So an envelope that wakes lazily (a log record) does not wake it; any other (a job, a
// call) does.
//
//     63                                                    4  3    2         1          0
//     ┌──────────────────────────────────────────────────────┬───┬──────┬────────────┬────────┐
//     │ the newest envelope; its `next` leads to the older   │ 0 │ lazy │ coalescing │ asleep │
//     └──────────────────────────────────────────────────────┴───┴──────┴────────────┴────────┘
//
//     0          empty, the loop is awake and will look again before it sleeps
//     asleep     empty, the loop sleeps (or is about to) and must be woken through the eventfd
//     coalescing the loop will look by itself soon, and no envelope has come that has to wake it
//     lazy       an envelope has come that wakes lazily
import Glibc
import Synchronization

/// What is in the inbox: a link, and how to deliver what stands behind it in the same allocation.
///
/// The posting thread allocates it, with `make` or from a pool (BlockPool.swift); `deliver` runs once, on the loop's
/// thread, and frees it.
package struct Envelope {
    package typealias Deliver = @convention(c) (UnsafeMutableRawPointer) -> Void

    fileprivate var next: UInt
    fileprivate let deliver: Deliver

    /// Where the contents begin, behind the link; aligned for any of Swift's basic types.
    package static var headerSize: Int { 16 }

    /// Allocates an envelope with room for `size` bytes of contents.
    package static func make(size: Int, deliver: @escaping Deliver) -> UnsafeMutableRawPointer {
        // malloc(3) aligns for any of the basic types. Asked for that, Swift goes through posix_memalign(3), which
        // takes three times as long.
        guard let memory = malloc(headerSize + size) else {
            fatalError("no memory for \(size) bytes on their way to an event loop")
        }
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
    private static let coalescing: UInt = 2
    private static let lazy: UInt = 4
    /// Envelopes are aligned to 16 bytes.
    private static let marks: UInt = 15

    private let head = Atomic<UInt>(Inbox.awake)
    /// What has been taken and is being delivered, oldest first. Loop thread only: atomic merely because an inbox is
    /// immutable.
    private let taken = Atomic<UInt>(0)

    /// Adds an envelope. Any thread; lock-free. Returns true if the loop sleeps and the caller has to wake it.
    ///
    /// - Parameter wakesLazily: a loop that coalesces wake-ups is not woken for it.
    func push(_ envelope: UnsafeMutableRawPointer, wakesLazily: Bool = false) -> Bool {
        let node = envelope.assumingMemoryBound(to: Envelope.self)
        var seen = head.load(ordering: .relaxed)
        while true {
            node.pointee.next = seen & ~Inbox.marks
            let kept = seen & (wakesLazily ? Inbox.coalescing | Inbox.lazy : Inbox.lazy)
            let (done, now) = head.weakCompareExchange(
                expected: seen, desired: UInt(bitPattern: node) | kept | (wakesLazily ? Inbox.lazy : 0),
                successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed)
            if done { return seen == Inbox.asleep || seen & Inbox.coalescing != 0 && !wakesLazily }
            seen = now
        }
    }

    /// True if nothing has come since the last `deliverAll`. Loop thread; for the ordering, see Ownership.swift.
    var isEmpty: Bool { head.load(ordering: .sequentiallyConsistent) & ~Inbox.marks == 0 && isDelivered }

    /// True if nothing is left of what the last `deliverAll` has taken. Loop thread.
    var isDelivered: Bool { taken.load(ordering: .relaxed) == 0 }

    /// Announces that the loop is going to sleep, without a limit or coalescing wake-ups. False if an envelope has
    /// arrived. Loop thread.
    func prepareToSleep(coalescing: Bool = false) -> Bool {
        guard isDelivered else { return false }
        let word = coalescing ? Inbox.coalescing : Inbox.asleep
        let (announced, seen) = head.compareExchange(
            expected: Inbox.awake, desired: word, ordering: .acquiringAndReleasing)
        return announced || seen == word
    }

    /// Takes everything and delivers it, oldest first; marks the loop as awake. Returns whether any of it wakes lazily.
    /// Loop thread.
    ///
    /// Called from within a delivery it goes on with the rest: at exit, a call from another thread turns the loop until
    /// all is written, and what it waits for may stand right behind it.
    @discardableResult
    func deliverAll() -> Bool {
        let hasLazy = head.load(ordering: .relaxed) != Inbox.awake && take()
        while let node = UnsafeMutablePointer<Envelope>(bitPattern: taken.load(ordering: .relaxed)) {
            taken.store(node.pointee.next, ordering: .relaxed)
            node.pointee.deliver(UnsafeMutableRawPointer(node))
        }
        return hasLazy
    }

    /// Appends what has come to what has been taken before. Returns whether any of it wakes lazily.
    private func take() -> Bool {
        let word = head.exchange(Inbox.awake, ordering: .acquiringAndReleasing)
        let hasLazy = word & Inbox.lazy != 0
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
        return hasLazy
    }
}
