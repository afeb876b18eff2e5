// The event loop: one thread that runs Swift tasks and waits for descriptors and timers, and for nothing else.
//
// The parts have files of their own; this one lists them, and the threads that may touch them. One turn of the loop is
// in EventLoop+Turn.swift, how a thread comes to run it is in EventLoop+Run.swift.
import CEventLoop
import Synchronization

/// A single-threaded epoll reactor that runs Swift tasks.
///
/// On the main thread of a program, `EventLoop.run` makes the loop the executor of the whole process: the main actor,
/// `Task {}`, task groups and `Task.sleep` all live on that one thread.
///
///     @main struct Server {
///         static func main() throws {
///             try EventLoop.run {
///                 try await EventLoop.sleep(for: .seconds(1))
///             }
///         }
///     }
///
/// Beside other threads, `EventLoop.start` gives a loop a thread of its own; tasks come to it by preference:
///
///     let loop = try EventLoop.start(name: "io")
///     Task(executorPreference: loop) { … }
///
/// The loop is a `TaskExecutor`; actors that live on it take `serialExecutor` for their `unownedExecutor`.
///
/// Unchecked because of the state below the mark "Loop thread only": it is touched only by the thread that owns the
/// loop (`isCurrent`), and a loop has one owner at a time (`owner`). What stands above is immutable or atomic.
public final class EventLoop: TaskExecutor, @unchecked Sendable {
    // MARK: Any thread

    /// What the loop's thread is called, in `top -H` and in messages.
    public let name: String
    let inbox = Inbox()
    /// Memory for what is posted to it.
    let envelopes = BlockPool(.envelopes)
    /// A value of `LoopOwner`.
    let owner = Atomic<UInt8>(LoopOwner.none)
    /// True while `run` waits for the stand-in to hand the loop over.
    let isWanted = Atomic<Bool>(false)
    /// Whether there are shutdown participants, for other threads.
    let hasParticipants = Atomic<Bool>(false)
    let stopRequested = Atomic<Bool>(false)
    let counters = Counters()
    /// True for a loop that a host loop turns.
    let isEmbedded: Bool
    let isMain: Bool
    private let forkGeneration: UInt32
    private let serial: LoopSerialExecutor

    // MARK: Loop thread only
    // Each access ends before the next begins, so the fields of every turn do without the dynamic exclusivity check.

    /// Jobs that were made ready by an event or a timer. They run ahead of `ready`, so that many busy tasks cannot
    /// delay a timer.
    @exclusivity(unchecked) var woken = JobQueue()
    @exclusivity(unchecked) var ready = JobQueue()
    @exclusivity(unchecked) var poller: Poller
    @exclusivity(unchecked) var timers = Timers()
    /// True while the main thread runs this loop as the executor of the process (ProcessExecutors.swift).
    @exclusivity(unchecked) var runsProcess = false
    /// Jobs of the main actor that were enqueued while the main thread did not run the loop. They wait until it does.
    var heldForMain: [QueuedJob] = []
    /// True while events and timers are being dispatched: jobs that become ready then go to `woken`.
    @exclusivity(unchecked) var isDispatching = false
    /// The loop that the owning thread ran before it took this one.
    var outer: UnsafeMutableRawPointer?
    /// Work for this turn's end, in the order of the requests.
    @exclusivity(unchecked) var endOfTurn: [any EndOfTurnWork] = []
    /// The list that is being worked off; kept for its memory.
    @exclusivity(unchecked) var endingTurn: [any EndOfTurnWork] = []
    var participants: [any ShutdownParticipant] = [] {
        didSet { hasParticipants.store(!participants.isEmpty, ordering: .releasing) }
    }
    /// True once the process' end has taken what other threads had posted by then. Threads may go on logging for ever:
    /// what comes later is not accepted. Computed, because another module's access to a stored one would be checked
    /// for exclusivity, for each record.
    package var isClosing: Bool { hasClosed }
    @exclusivity(unchecked) var hasClosed = false
    // Threads, made when they are needed (Offload.swift).
    lazy var ioPool = OffloadPool(loop: self) { EventLoop.ioThreads }
    lazy var userPool = OffloadPool(loop: self) { EventLoop.offloadThreads }
    lazy var childPool = OffloadPool(loop: self) { .max }
    lazy var names = NameLookups(self)
    var locals: [ObjectIdentifier: AnyObject] = [:]

    /// Set if the loop is measured.
    @exclusivity(unchecked) var meter: Meter?
    /// The loop's clock, if it is not CLOCK_MONOTONIC. Changes when a run of the loop begins or ends.
    @exclusivity(unchecked) var manualClock: ManualClock?
    /// How many tasks and calls wait in the loop; and how many of them are calls.
    @exclusivity(unchecked) var waiters = 0
    @exclusivity(unchecked) var waitingCalls = 0
    /// Decides how long to sleep. `lazyHasArrived`: an envelope that wakes lazily has come since the loop was last
    /// idle.
    @exclusivity(unchecked) var coalescing = WakeupCoalescing()
    @exclusivity(unchecked) var lazyHasArrived = false
    /// How many operations the job that runs has done without waiting (Budget.swift).
    @exclusivity(unchecked) package var steps: UInt32 = 0
    /// How many pieces of work are off the loop right now.
    var offloaded = 0
    /// The count of caught signals up to which the subscriptions have been told.
    @exclusivity(unchecked) var signalsSeen: UInt64 = 0
    var signalSubscriptions: [SignalSubscription] = []
    @exclusivity(unchecked) var hasSkippedPoll = false
    var shutdownHooks: [ShutdownHook] = []

    init(name: String, isEmbedded: Bool = false, isMain: Bool = false) throws(EventLoopError) {
        self.name = name
        self.isEmbedded = isEmbedded
        self.isMain = isMain
        forkGeneration = cel_watch_forks()
        poller = try Poller()
        serial = LoopSerialExecutor()
        serial.loop = self
    }

    deinit {
        poller.abandonSlots()
    }

    // MARK: Identity

    /// The loop that runs the calling thread, if one does. Any thread.
    public static var current: EventLoop? {
        cel_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// True on the thread that runs this loop. Any thread; a load and a compare.
    public var isCurrent: Bool { cel_current_loop() == Unmanaged.passUnretained(self).toOpaque() }

    /// The loop of the main thread. It exists from its first use on. While `EventLoop.run` does not run it, a stand-in
    /// turns it.
    ///
    /// The process ends with a message if the kernel has no descriptors left for it.
    package static var main: EventLoop {
        switch mainResult {
        case .success(let loop): return loop
        case .failure(let error): fatalError("\(error)")
        }
    }
    static let mainResult = Result { () throws(EventLoopError) in try EventLoop(name: "main", isMain: true) }

    /// True while the thread of `run`, of `start` or of an embedded loop's host runs the loop. Any thread; by the time
    /// the answer is read it may have changed.
    public var isRunning: Bool { owner.load(ordering: .acquiring) == LoopOwner.runner }

    /// The time by the loop's clock. Any thread.
    package var now: Instant { manualClock?.now ?? .monotonic }

    /// A forked child shares the poller's descriptors with its parent and has none of the parent's threads: a change to
    /// its loop would change the parent's.
    @inline(__always)
    func refuseAfterFork() {
        if cel_fork_generation() != forkGeneration { trapAfterFork() }
    }

    /// True in a process that has been forked from the one that made the loop.
    package var isForked: Bool { cel_fork_generation() != forkGeneration }

    private func trapAfterFork() -> Never {
        fatalError(
            "event loop \"\(name)\" belongs to the process from which this one was forked: call execve, or make a loop of your own in the child"
        )
    }

    // MARK: Executor

    /// The identity of actors that live on this loop:
    /// `nonisolated var unownedExecutor: UnownedSerialExecutor { loop.serialExecutor.asUnownedSerialExecutor() }`.
    public var serialExecutor: any SerialExecutor { serial }

    /// Called by the Swift runtime, from any thread.
    public func enqueue(_ job: consuming ExecutorJob) {
        schedule(QueuedJob(UnownedJob(job), .task))
    }

    func schedule(_ job: QueuedJob) {
        if isCurrent {
            if isDispatching { woken.append(job) } else { ready.append(job) }
        } else {
            // The loop may run the job, end and be freed while this thread is still waking it. The runtime keeps no
            // reference for this call.
            let held = Unmanaged.passRetained(self)
            post(JobEnvelope.make(job, from: envelopes))
            held.release()
        }
    }

    /// Runs a job under the identity by which it came. Under another one, the runtime would assume the wrong executor
    /// and enqueue the rest of the task again, at every step that asks for an executor.
    func run(_ queued: QueuedJob) {
        steps = 0
        switch queued.identity {
        case .task: unsafe queued.job.runSynchronously(on: asUnownedTaskExecutor())
        case .global: unsafe queued.job.runSynchronously(on: EventLoop.genericExecutor)
        case .main: runOnMainActor(queued)
        case .serial:
            // The tasks of a process that the loop has taken over prefer no executor; those on a loop beside others
            // mostly prefer that loop.
            if runsProcess {
                unsafe queued.job.runSynchronously(on: serial.asUnownedSerialExecutor())
            } else {
                unsafe queued.job.runSynchronously(
                    isolatedTo: serial.asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            }
        }
    }

    /// "No actor": the runtime's `SerialExecutorRef::generic()`, two words of zero.
    private static let genericExecutor = unsafeBitCast((0, 0), to: UnownedSerialExecutor.self)

    // MARK: Other threads

    /// Puts an envelope into the inbox and wakes the loop if it sleeps. Any thread; lock-free.
    ///
    /// - Parameter wakesLazily: a loop that coalesces wake-ups is not woken for it, and finds it a moment later
    ///   (WakeupCoalescing.swift).
    package func post(_ envelope: UnsafeMutableRawPointer, wakesLazily: Bool = false) {
        refuseAfterFork()
        if inbox.push(envelope, wakesLazily: wakesLazily) { poller.wake() }
        ensureOwner()
    }

    /// Puts a call into the inbox that is made when some thread turns the loop for another reason. Any thread;
    /// lock-free.
    package func performWhenTurned(_ body: consuming @escaping @Sendable () -> Void) {
        if isCurrent { return body() }
        refuseAfterFork()
        if inbox.push(CallEnvelope.make(consume body, from: envelopes)) { poller.wake() }
    }

    /// True if the envelope that is being delivered is the last of those that the loop has found in its inbox. Loop
    /// thread.
    package var isDeliveringLast: Bool { inbox.isDelivered }

    /// Runs `body` on the loop's thread: now, if the caller is there, else when the loop next empties its inbox. Any
    /// thread; lock-free.
    ///
    ///     loop.perform { table[key] = value }      // from a thread of a library's, say
    ///
    /// If nothing runs the loop, a thread of the library does.
    public func perform(_ body: consuming @escaping @Sendable () -> Void) {
        if isCurrent { body() } else { post(CallEnvelope.make(consume body, from: envelopes)) }
    }

    /// Runs the part of a deinit that belongs to the loop's thread. In a forked child it does nothing: the loop is the
    /// parent's. Any thread.
    package func performFromDeinit(_ body: @escaping @Sendable () -> Void) {
        if !isForked { perform(body) }
    }

    /// Runs `body` on the loop's thread, not from within this call. Any thread, if `body` may be called on another one.
    package func soon(_ body: @escaping () -> Void) {
        post(CallEnvelope.make(body, from: envelopes))
    }

    /// Returns when all earlier posts of other threads have been delivered. On the loop.
    package func catchUp() async {
        guard isCurrent, !inbox.isEmpty else { return }
        await withUnsafeContinuation { continuation in soon { continuation.resume() } }
    }

    // MARK: Loop thread: what the layers above keep here

    /// An object of which each loop has one, made at its first use.
    package func local<Value: AnyObject>(_ type: Value.Type, make: () -> Value) -> Value {
        if let value = locals[ObjectIdentifier(type)] { return unsafeDowncast(value, to: Value.self) }
        let value = make()
        locals[ObjectIdentifier(type)] = value
        return value
    }

    /// Nil: the kernel does not watch such descriptors, they are always ready (EPERM).
    package func register(_ descriptor: CInt) throws(EventLoopError) -> Registration? {
        refuseAfterFork()
        switch poller.add(descriptor, on: self) {
        case .registered(let registration, let displaced):
            displaced?.wakeAll(.closed)
            return registration
        case .alwaysReady: return nil
        case .failed(let errno): throw EventLoopError(operation: "epoll_ctl", errno: errno)
        }
    }

    func remove(_ registration: Registration) {
        refuseAfterFork()
        poller.remove(registration)
    }
}
