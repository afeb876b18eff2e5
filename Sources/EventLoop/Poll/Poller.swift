// The epoll instance: which descriptors the kernel watches for us, and what it says of them. All epoll calls stand in
// this file.
//
// The rules of epoll(7), and what follows from them here:
//
// - It watches *open file descriptions*, under the *number* that they had when they were added. Close the number while
//   a duplicate lives on, and events keep coming for a number that may by now belong to another descriptor. So each
//   registration has a generation; the kernel carries (generation, number) for us, and an event whose generation is not
//   the slot's is dropped.
// - Events come in batches. The first event's handler may close the descriptor of the second and open another with the
//   same number. The generation covers this too.
// - Edge-triggered, an event says only that something *changed*. It is asked for both directions once, when an attempt
//   has already said would-block, and never modified: one epoll_ctl in a descriptor's life. Adding reports what is
//   ready already.
// - EPOLLHUP and EPOLLERR are always reported and count as ready in both directions: the next system call will say what
//   is wrong.
// - EPOLLPRI (urgent data of TCP, a state change of a terminal or a file of sysfs) counts as readable: the next read
//   finds out.
// - Regular files, directories, /dev/null and the like answer EPERM: they never block in epoll's sense, and count as
//   always ready.
// - The loop's own wake-up is an eventfd that is never read: edge-triggered, every write is an edge.
// - An epoll descriptor can be polled itself: it is readable while there are events to fetch. So a loop can be a guest
//   of another one.
import CEventLoop
import Glibc
import SystemPackage

/// Loop thread only, but for `wake`.
struct Poller: ~Copyable {
    /// The epoll instance.
    let descriptor: CInt
    private let wakeup: CInt
    /// A timerfd, for embedded loops, whose host waits. Made at its first use.
    private var alarm: CInt = -1
    private let events: UnsafeMutablePointer<epoll_event>
    private static let capacity = 256
    private static let wakeKey = UInt64.max
    private static let alarmKey = UInt64.max - 1

    /// The slot of descriptor n is `slots[n]`. Numbers are small and dense, because the kernel hands out the lowest
    /// that is free.
    private var slots: [Registration?] = []
    private var lastGeneration: UInt32 = 0
    /// How many descriptors are registered.
    private(set) var count = 0

    init() throws(EventLoopError) {
        let epoll = try Poller.above2(cel_epoll_create(), "epoll_create1")
        let wakeup: CInt
        do throws(EventLoopError) {
            wakeup = try Poller.above2(cel_eventfd(), "eventfd")
        } catch {
            close(epoll)
            throw error
        }
        let status = cel_epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, cel_EPOLLIN | cel_EPOLLET, Poller.wakeKey)
        precondition(status == 0, "epoll_ctl of two descriptors just made: \(Errno(rawValue: errno))")
        self.init(epoll: epoll, wakeup: wakeup)
    }

    private init(epoll: CInt, wakeup: CInt) {
        descriptor = epoll
        self.wakeup = wakeup
        events = .allocate(capacity: Poller.capacity)
    }

    deinit {
        if alarm >= 0 { close(alarm) }
        close(wakeup)
        close(descriptor)
        events.deallocate()
    }

    private static func above2(_ descriptor: CInt, _ operation: String) throws(EventLoopError) -> CInt {
        guard descriptor >= 0 else { throw EventLoopError(operation: operation, errno: Errno(rawValue: errno)) }
        switch StandardNumbers.above2(descriptor) {
        case .success(let descriptor): return descriptor
        case .failure(let errno): throw EventLoopError(operation: operation, errno: errno)
        }
    }

    // MARK: Registrations

    enum Admission {
        /// `displaced` had the number before, and its owner closed the number without closing the registration: it
        /// waits for nothing.
        case registered(Registration, displaced: Registration?)
        /// EPERM: the kernel does not watch descriptors of this kind; they are always ready.
        case alwaysReady
        case failed(Errno)
    }

    /// Watches descriptor `number` in both directions until `remove`.
    mutating func add(_ number: CInt, on loop: EventLoop) -> Admission {
        lastGeneration &+= 1
        let key = UInt64(lastGeneration) << 32 | UInt64(UInt32(bitPattern: number))
        let interest = cel_EPOLLIN | cel_EPOLLOUT | cel_EPOLLRDHUP | cel_EPOLLPRI | cel_EPOLLET
        let slot = Int(number)
        if cel_epoll_ctl(descriptor, EPOLL_CTL_ADD, number, interest, key) != 0 {
            switch errno {
            case EPERM: return .alwaysReady
            case EEXIST where slot >= slots.count || slots[slot] == nil:
                // A stale entry: the number was closed while a duplicate lived on, and now belongs to the same
                // description again. The new registration takes the entry over.
                guard cel_epoll_ctl(descriptor, EPOLL_CTL_MOD, number, interest, key) == 0 else {
                    return .failed(Errno(rawValue: errno))
                }
            default: return .failed(Errno(rawValue: errno))
            }
        }
        let registration = Registration(descriptor: number, generation: lastGeneration, loop: loop)
        while slots.count <= slot { slots.append(nil) }
        let displaced = slots[slot]
        slots[slot] = registration
        if displaced == nil { count += 1 }
        return .registered(registration, displaced: displaced)
    }

    mutating func remove(_ registration: Registration) {
        let slot = Int(registration.descriptor)
        guard slot < slots.count, slots[slot] === registration else { return }
        slots[slot] = nil
        count -= 1
        // Fails only if other code has closed the descriptor already. Then the kernel has forgotten it too, or the
        // generation drops its events.
        _ = cel_epoll_ctl(descriptor, EPOLL_CTL_DEL, registration.descriptor, 0, 0)
    }

    /// The loop is being deallocated. A registration that is closed later does nothing.
    mutating func abandonSlots() {
        for case let registration? in slots { registration.abandon() }
    }

    // MARK: Waiting

    /// Any thread. An eventfd's counter overflows after 2⁶⁴ writes; it cannot block.
    func wake() {
        var one: UInt64 = 1
        _ = write(wakeup, &one, 8)
    }

    /// The eventfd, for signal handlers, which cannot call `wake`.
    var wakeupDescriptor: CInt { wakeup }

    /// Makes the poller's descriptor readable in so many nanoseconds, instead of when it was last asked to. If no
    /// timerfd can be made (EMFILE), at once: the host then turns the loop too often rather than never.
    mutating func wake(after nanoseconds: Int64) {
        if alarm < 0 {
            guard let made = try? Poller.above2(cel_timerfd(), "timerfd_create") else { return wake() }
            alarm = made
            let status = cel_epoll_ctl(descriptor, EPOLL_CTL_ADD, alarm, cel_EPOLLIN | cel_EPOLLET, Poller.alarmKey)
            precondition(status == 0, "epoll_ctl of two descriptors of ours: \(Errno(rawValue: errno))")
        }
        cel_timerfd_set(alarm, nanoseconds)
    }

    /// Waits for at most `nanoseconds` (< 0: without end), returns how many events there are to `dispatch`.
    func wait(nanoseconds: Int64) -> Int {
        let count = cel_epoll_wait(descriptor, events, CInt(Poller.capacity), nanoseconds)
        if count >= 0 { return Int(count) }
        precondition(errno == EINTR, "epoll_pwait2: \(Errno(rawValue: errno))")
        return 0
    }

    /// Has the processor fetch the registration of event `index`, which will be asked for in a moment.
    func prefetch(_ index: Int) {
        guard index < Poller.capacity else { return }
        let slot = Int(UInt32(truncatingIfNeeded: events[index].data.u64))
        guard slot < slots.count, let registration = slots[slot] else { return }
        let address = UInt(bitPattern: ObjectIdentifier(registration))
        cel_prefetch(UnsafeRawPointer(bitPattern: address))
        cel_prefetch(UnsafeRawPointer(bitPattern: address + 64))
    }

    /// The slot of event `index` of the last `wait`, and what happened there. Nil for wake-ups and stale events.
    func event(_ index: Int) -> (Registration, UInt32)? {
        let event = events[index]
        let key = event.data.u64
        guard key < Poller.alarmKey else { return nil }
        let slot = Int(UInt32(truncatingIfNeeded: key))
        guard slot < slots.count, let registration = slots[slot],
            registration.generation == UInt32(truncatingIfNeeded: key >> 32)
        else { return nil }
        return (registration, event.events)
    }
}
