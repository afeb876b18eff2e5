// What is behind a logger's name: the state that callers read on their own threads, and the state that a record needs
// on its way.
//
// References go in one direction: a logger holds a handle, the handle holds the core, the core holds its tree. A tree
// does not hold its cores, so a core is freed when no logger, no waiting record and no sampler holds it. Everything
// that can log in a logger's name holds the core, and through it the tree, the pipeline and the handlers on the route.
import EventLoop
import Synchronization

/// The state that all copies of a logger share.
///
/// Unchecked because of `route`, which only the loop's thread touches once other threads know the logger.
@usableFromInline
final class LoggerCore: @unchecked Sendable {
    @usableFromInline let threshold = Atomic<UInt8>(Level.off)
    /// The texts of a call site that any of the handlers reads.
    let callSiteParts = Atomic<UInt8>(0)
    let tree: LoggerTree
    // Copies of the tree's properties: each record reads them.
    let pipeline: Pipeline
    let clock: LogClock
    let context: (@Sendable (inout FieldWriter) -> Void)?
    let name: String
    /// The name in UTF-8.
    let nameText: Text
    let isNamePlain: Bool
    /// Where records go. Records do not count references to it, because each would pay for that: `reroute` returns the
    /// old route, and the caller keeps it for a while.
    @exclusivity(unchecked) private(set) var route = Unmanaged.passRetained(Route())
    /// True once a record of this logger has been posted to the loop's inbox.
    private let hasPosted = Atomic<Bool>(false)
    private let release = Atomic<DelayedRelease>(.none)

    /// Whether a reference travels through the loop's inbox, behind the records.
    private enum DelayedRelease: UInt8, AtomicRepresentable {
        case none, onItsWay
        /// Other handles have released the logger since the reference was posted; records may have been posted in
        /// between.
        case onItsWayAndOnceMore
    }

    init(_ name: String, tree: LoggerTree) {
        self.name = name
        self.tree = tree
        pipeline = tree.pipeline
        clock = tree.clock
        context = tree.context
        var name = name
        nameText = name.withUTF8 { utf8 in
            let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: utf8.count)
            _ = memory.initialize(from: utf8)
            return Text(UnsafeBufferPointer(memory))
        }
        isNamePlain = Escape.isPlain(nameText.bytes)
    }

    deinit {
        // In a forked child the lock may be held for ever, by a thread that only the parent has.
        if !pipeline.loop.isForked { tree.forget(name) }
        route.release()
        nameText.bytes.deallocate()
    }

    /// From now on records take this route; returns the one that they took until now. Loop thread.
    ///
    /// Threads that change the settings one after the other may post the resulting routes in another order, and the
    /// loop itself posts nothing. A route that results from an earlier change than the present one is ignored, and the
    /// result is nil.
    ///
    /// A handler or a filter may change the settings while a record is on its way along the old route: the caller keeps
    /// that route until the loop next empties its inbox.
    func reroute(_ route: Route) -> Unmanaged<Route>? {
        let old = self.route
        guard old._withUnsafeGuaranteedRef({ $0.change <= route.change }) else { return nil }
        self.route = .passRetained(route)
        return old
    }

    /// For a logger that no other thread knows yet.
    func install(_ route: Route) {
        self.route.release()
        self.route = .passRetained(route)
    }

    // MARK: Records in the inbox

    /// The caller calls this before it posts a record that holds no reference, while it has a handle.
    @inline(__always)
    func willPost() { if !hasPosted.load(ordering: .relaxed) { hasPosted.store(true, ordering: .relaxed) } }

    /// The owner of a reference that may be the last one calls this just before it releases the reference. Any thread.
    ///
    /// Records on their way to the loop do not count among a logger's references: a counter that all threads and the
    /// loop write to would be the greatest cost of such a record. The records are in the loop's inbox, and this
    /// function posts a reference behind them: at most one for each logger, however often the logger is made and
    /// released before the loop empties its inbox.
    func keepAliveUntilRecordsArrive() {
        guard hasPosted.load(ordering: .relaxed) else { return }
        while true {
            let (isFirst, found) = release.compareExchange(
                expected: .none, desired: .onItsWay, ordering: .acquiringAndReleasing)
            if isFirst { break }
            if found == .onItsWayAndOnceMore { return }
            if release.compareExchange(
                expected: .onItsWay, desired: .onItsWayAndOnceMore, ordering: .acquiringAndReleasing
            ).exchanged {
                return
            }
        }
        let core = Unmanaged.passRetained(self)
        // A forked child keeps the reference: the loop and its inbox are the parent's.
        guard !pipeline.loop.isForked else { return }
        LoggerCore.post(core, to: pipeline.loop)
    }

    private static func post(_ core: Unmanaged<LoggerCore>, to loop: EventLoop) {
        loop.soon { arrived(core) }
    }

    /// All records that were posted before have arrived. Loop thread.
    private static func arrived(_ core: Unmanaged<LoggerCore>) {
        core._withUnsafeGuaranteedRef { logger in
            let isLast = logger.release.compareExchange(
                expected: .onItsWay, desired: .none, ordering: .acquiringAndReleasing
            ).exchanged
            if isLast { return core.release() }
            // Only here does the state change from this one to another.
            logger.release.store(.onItsWay, ordering: .releasing)
            logger.pipeline.loop.soon { arrived(core) }
        }
    }
}

/// A logger's reference to its core.
final class LoggerHandle: Sendable {
    let core: LoggerCore
    let family: LoggerFamily

    init(_ core: LoggerCore, _ family: LoggerFamily) {
        self.core = core
        self.family = family
    }

    deinit { core.keepAliveUntilRecordsArrive() }

    func child(_ name: String) -> LoggerHandle { family.logger(core.tree.name(of: name, below: core)) }
}

/// What the loggers of a tree have in common as long as one of them exists: the tree, and the loggers that were made
/// last, which are kept a while longer.
final class LoggerFamily: Sendable {
    private let tree: LoggerTree
    /// How many loggers are kept although the program holds no reference to them: a program that asks for one again and
    /// again finds it.
    static let limit = 256
    private let latest = Locked<(cores: [LoggerCore], next: Int)>(([], 0))

    init(_ tree: LoggerTree) { self.tree = tree }

    /// The tree is freed on the loop's thread, where its handlers live.
    deinit {
        for core in latest.withLock({ $0.cores }) { core.keepAliveUntilRecordsArrive() }
        let loop = tree.pipeline.loop
        let tree = Unmanaged.passRetained(tree)
        guard !loop.isForked else { return }
        loop.soon { tree.release() }
    }

    func logger(_ name: String) -> LoggerHandle {
        let (core, isNew) = tree.core(name)
        if isNew { keep(core) }
        return LoggerHandle(core, self)
    }

    private func keep(_ core: LoggerCore) {
        let old: LoggerCore? = latest.withLock { latest in
            guard latest.cores.count == LoggerFamily.limit else {
                latest.cores.append(core)
                return nil
            }
            defer { latest.next = (latest.next + 1) % LoggerFamily.limit }
            let old = latest.cores[latest.next]
            latest.cores[latest.next] = core
            return old
        }
        old?.keepAliveUntilRecordsArrive()
    }
}
