// What is behind a logger's name: what callers read of it on their own threads, and what a record needs of it on its way.
//
// References go in one direction: a logger holds a handle, the handle holds the core, the core holds its tree. A tree does not hold its cores, so what no
// logger, no waiting record and no sieve holds any more goes. Whatever can still speak in a logger's name holds the core, and with it all that
// speaking takes: the tree, the pipeline, the handlers on its route.
import EventLoop
import Synchronization

/// What all copies of a logger share.
///
/// Unchecked because of `route`, which only the loop's thread touches once the logger is known to others.
@usableFromInline
final class LoggerCore: @unchecked Sendable {
    @usableFromInline let threshold = Atomic<UInt8>(Level.off)
    /// Which texts of a call site any of the handlers reads.
    let callSiteParts = Atomic<UInt8>(0)
    let tree: LoggerTree
    // The tree's, at hand for each record.
    let pipeline: Pipeline
    let clock: LogClock
    let context: (@Sendable (inout FieldWriter) -> Void)?
    let name: String
    /// The name in UTF-8.
    let nameText: Text
    let isNamePlain: Bool
    /// Where records go. Not counted as a reference is, since each record would pay for that: `lead` returns what it replaces, to be kept for a while.
    @exclusivity(unchecked) private(set) var route = Unmanaged.passRetained(Route())
    /// True once a record of this logger has been posted to the loop's inbox.
    private let hasPosted = Atomic<Bool>(false)
    private let release = Atomic<DelayedRelease>(.none)

    /// Whether a reference travels through the loop's inbox, behind the records.
    private enum DelayedRelease: UInt8, AtomicRepresentable {
        case none, onItsWay
        /// Others have let go of the logger since the reference set out; records may have been posted in between.
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
        // In a forked child another thread of the parent's may have had the lock, and has it for ever.
        if !pipeline.loop.isForked { tree.forget(name) }
        route.release()
        nameText.bytes.deallocate()
    }

    /// From now on records go there; returns the route that they took until now. Loop thread.
    ///
    /// Threads that change the settings one after the other may post what follows from it in another order, and the loop itself posts nothing: a route
    /// that follows from an earlier change than the one that is there leads nowhere, and the result is nil.
    ///
    /// A handler or a filter may be the one who changes the settings, while a record is on its way along the old route: the caller keeps that until the loop
    /// next empties its inbox.
    func lead(_ route: Route) -> Unmanaged<Route>? {
        let old = self.route
        guard old._withUnsafeGuaranteedRef({ $0.change <= route.change }) else { return nil }
        self.route = .passRetained(route)
        return old
    }

    /// For a logger that nobody else knows yet.
    func install(_ route: Route) {
        self.route.release()
        self.route = .passRetained(route)
    }

    // MARK: Records in the inbox

    /// To be called before a record is posted that holds no reference. The caller has a handle.
    @inline(__always)
    func willPost() { if !hasPosted.load(ordering: .relaxed) { hasPosted.store(true, ordering: .relaxed) } }

    /// To be called by whoever lets go of a reference, if it may be the last one, just before. Any thread.
    ///
    /// Records on their way to the loop do not count among a logger's references: a counter that all threads and the loop write to is what such a
    /// record would cost most for. They are in the loop's inbox, and a reference is put there behind them: at most one for each logger, however
    /// often it is asked for and let go of while the loop does not come to its inbox.
    func outliveItsRecords() {
        guard hasPosted.load(ordering: .relaxed) else { return }
        while true {
            let (isFirst, found) = release.compareExchange(expected: .none, desired: .onItsWay, ordering: .acquiringAndReleasing)
            if isFirst { break }
            if found == .onItsWayAndOnceMore { return }
            if release.compareExchange(expected: .onItsWay, desired: .onItsWayAndOnceMore, ordering: .acquiringAndReleasing).exchanged { return }
        }
        let core = Unmanaged.passRetained(self)
        // A forked child keeps it: the loop, and what is in its inbox, is the parent's.
        guard !pipeline.loop.isForked else { return }
        LoggerCore.post(core, to: pipeline.loop)
    }

    private static func post(_ core: Unmanaged<LoggerCore>, to loop: EventLoop) {
        loop.soon { arrived(core) }
    }

    /// All records are here that were posted before. Loop thread.
    private static func arrived(_ core: Unmanaged<LoggerCore>) {
        core._withUnsafeGuaranteedRef { logger in
            let isLast = logger.release.compareExchange(expected: .onItsWay, desired: .none, ordering: .acquiringAndReleasing).exchanged
            if isLast { return core.release() }
            // Only here does it change from this state to another.
            logger.release.store(.onItsWay, ordering: .releasing)
            logger.pipeline.loop.soon { arrived(core) }
        }
    }
}

/// A reference to what is behind a name, for those who log.
final class LoggerHandle: Sendable {
    let core: LoggerCore
    let family: LoggerFamily

    init(_ core: LoggerCore, _ family: LoggerFamily) {
        self.core = core
        self.family = family
    }

    deinit { core.outliveItsRecords() }

    func child(_ name: String) -> LoggerHandle { family.logger(core.tree.name(of: name, below: core)) }
}

/// All that the loggers of a tree have in common for as long as there is one of them: the tree, and the loggers that were made last, which stay a while longer.
final class LoggerFamily: Sendable {
    private let tree: LoggerTree
    /// How many loggers stay that nobody holds: who asks for one again and again, without keeping it, finds it.
    static let limit = 256
    private let latest = Locked<(cores: [LoggerCore], next: Int)>(([], 0))

    init(_ tree: LoggerTree) { self.tree = tree }

    /// The tree goes on the loop's thread, where its handlers live.
    deinit {
        for core in latest.withLock({ $0.cores }) { core.outliveItsRecords() }
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
        old?.outliveItsRecords()
    }
}
