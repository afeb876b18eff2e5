// Which loggers there are: names, levels, handlers and filters, and what follows from them for each logger.
//
// Settings are rare and records are many. So a setting is made under a lock, and what it comes to is worked out at once for every
// logger below: a threshold (one byte, which callers read without a lock) and a route (handlers and filters, which only the
// loop's thread reads, and which is therefore replaced on the loop's thread).
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
    /// The tree owns its loggers; whoever holds one of them holds the tree as well (`Logger`, kept records).
    unowned(unsafe) let tree: LoggerTree
    // The tree's, at hand for each record.
    let pipeline: Pipeline
    let clock: LogClock
    let context: (@Sendable (inout FieldWriter) -> Void)?
    let name: String
    /// The name in UTF-8.
    let nameText: Text
    let isNamePlain: Bool
    /// Where records go. Not counted as a reference is, since each record would pay for that: `lead` keeps what it replaces for a while.
    @exclusivity(unchecked) private(set) var route = Unmanaged.passRetained(Route())

    fileprivate init(_ name: String, tree: LoggerTree) {
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
        route.release()
        nameText.bytes.deallocate()
    }

    /// From now on records go there. Loop thread.
    ///
    /// A handler or a filter may be the one who changes the settings, while a record is on its way along the old route: that lives until the loop next
    /// empties its inbox.
    fileprivate func lead(_ route: Route) {
        let old = self.route
        self.route = .passRetained(route)
        pipeline.loop.soon { old.release() }
    }

    /// For a logger that nobody else knows yet.
    fileprivate func install(_ route: Route) {
        self.route.release()
        self.route = .passRetained(route)
    }
}

/// Where the records of one logger go, all ancestors taken into account. Immutable.
final class Route: @unchecked Sendable {
    let handlers: [Handler]
    private let list: UnsafeBufferPointer<Unmanaged<Handler>>
    let filters: [Filter]
    /// Records below get here only for the sake of `rules`.
    let level: UInt8
    let rules: [Directives.FieldRule]

    init(handlers: [Handler] = [], filters: [Filter] = [], level: UInt8 = 0, rules: [Directives.FieldRule] = []) {
        self.handlers = handlers
        self.filters = filters
        self.level = level
        self.rules = rules
        let list = UnsafeMutableBufferPointer<Unmanaged<Handler>>.allocate(capacity: handlers.count)
        _ = list.initialize(from: handlers.map(Unmanaged.passUnretained))
        self.list = UnsafeBufferPointer(list)
    }

    deinit { list.deallocate() }

    /// Calls `body` with each handler that wants the record. Without counting references: the route has them.
    @inline(__always)
    func forEachTaker(_ record: borrowing Record, _ body: (Handler) -> Void) {
        for handler in list {
            handler._withUnsafeGuaranteedRef { if $0.wants(record) { body($0) } }
        }
    }

    /// The logger's own say in whether a record goes on.
    @inline(__always)
    func selects(_ record: borrowing Record) -> Bool {
        if record.level.rawValue < level, !record.isAboveThreshold, !isLetIn(record) { return false }
        return filters.isEmpty || passes(record)
    }

    private func passes(_ record: borrowing Record) -> Bool {
        for filter in filters where !filter(record) { return false }
        return true
    }

    private func isLetIn(_ record: borrowing Record) -> Bool {
        for rule in rules where record.level.rawValue >= rule.level && rule.matches(record) { return true }
        return false
    }
}

/// What all loggers of a tree share, and what ends the tree when the last of them has gone.
///
/// Records on their way to the loop do not count among the tree's references: a counter that all threads and the loop write to is what such a
/// record would cost most for. They are in the loop's inbox, and the tree's end is put there behind them.
final class TreeKeeper: Sendable {
    private let tree: LoggerTree

    init(_ tree: LoggerTree) { self.tree = tree }

    deinit {
        let loop = tree.pipeline.loop
        guard !loop.isForked else { return }
        let tree = Unmanaged.passRetained(tree)
        loop.soon { tree.release() }
    }
}

/// A root and all loggers below it.
final class LoggerTree: Sendable {
    let pipeline: Pipeline
    let clock: LogClock
    let context: (@Sendable (inout FieldWriter) -> Void)?
    private let rootName: String
    private let state = Locked(State())

    private struct Node {
        let core: LoggerCore
        /// Nil: the parent's.
        var level: UInt8?
        var handlers: [Handler] = []
        var filters: [Filter] = []
        var propagates = true
    }

    private struct State {
        var nodes: [String: Node] = [:]
        var directives = Directives()
    }

    init(
        _ name: String, level: Level, handlers: [Handler], pipeline: Pipeline, clock: LogClock, context: (@Sendable (inout FieldWriter) -> Void)?
    ) {
        let name = RecordLimits.limited(name: name)
        rootName = name
        self.pipeline = pipeline
        self.clock = clock
        self.context = context
        let core = LoggerCore(name, tree: self)
        state.withLock { state in
            state.nodes[name] = Node(core: core, level: level.rawValue, handlers: handlers)
            install(core, state)
        }
    }

    var root: LoggerCore { state.withLock { $0.nodes[rootName]!.core } }

    // MARK: Names

    func child(_ name: String, of core: LoggerCore) -> LoggerCore {
        let full = RecordLimits.limited(name: core.name.isEmpty ? name : name.isEmpty ? core.name : core.name + "." + name)
        return state.withLock { state in
            if let node = state.nodes[full] { return node.core }
            let core = LoggerCore(full, tree: self)
            state.nodes[full] = Node(core: core, level: state.directives.level(of: full))
            install(core, state)
            return core
        }
    }

    /// The names of a logger's ancestors that exist, nearest first.
    private func parent(of name: String, _ state: State) -> String? {
        guard name != rootName else { return nil }
        var name = name[...]
        while let dot = name.lastIndex(of: ".") {
            name = name[..<dot]
            if state.nodes[String(name)] != nil { return String(name) }
        }
        return rootName
    }

    // MARK: Settings

    func effectiveLevel(of core: LoggerCore) -> UInt8 { state.withLock { level(of: core.name, $0) } }

    func setLevel(_ level: UInt8?, of core: LoggerCore) {
        change { state in
            let isRoot = core.name == rootName
            state.nodes[core.name]!.level = level ?? (isRoot ? Level.info.rawValue : nil)
        }
    }

    func apply(_ directives: Directives) {
        change { state in
            state.directives = directives
            if let level = directives.base { state.nodes[rootName]!.level = level }
            for name in state.nodes.keys {
                if let level = directives.level(of: name) { state.nodes[name]!.level = level }
            }
        }
    }

    func setPropagates(_ propagates: Bool, of core: LoggerCore) { change { $0.nodes[core.name]!.propagates = propagates } }

    func propagates(_ core: LoggerCore) -> Bool { state.withLock { $0.nodes[core.name]!.propagates } }

    func add(_ filter: Filter, to core: LoggerCore) { change { $0.nodes[core.name]!.filters.append(filter) } }

    func removeFilters(of core: LoggerCore) { change { $0.nodes[core.name]!.filters = [] } }

    /// Where its records go: its own handlers and its ancestors'.
    func takers(of core: LoggerCore) -> [Handler] { state.withLock { route(of: core.name, $0).handlers } }

    func handlers(of core: LoggerCore) -> [Handler] { state.withLock { $0.nodes[core.name]!.handlers } }

    func add(_ handler: Handler, to core: LoggerCore) {
        precondition(handler.loop === pipeline.loop, "a handler lives on the event loop of the other handlers of its logger")
        pipeline.perform { $0.add(handler) }
        change { state in
            if !state.nodes[core.name]!.handlers.contains(where: { $0 === handler }) { state.nodes[core.name]!.handlers.append(handler) }
        }
    }

    func remove(_ handler: Handler, from core: LoggerCore) {
        change { $0.nodes[core.name]!.handlers.removeAll { $0 === handler } }
    }

    // MARK: What follows

    /// Changes the settings, then thresholds at once, and routes as soon as the loop gets to it (behind the records that are on their way).
    private func change(_ body: (inout sending State) -> Void) {
        let routes = state.withLock { state in
            body(&state)
            return state.nodes.values.map { node in
                let route = route(of: node.core.name, state)
                publish(route, for: node.core)
                return (node.core, route)
            }
        }
        pipeline.perform { _ in for (core, route) in routes { core.lead(route) } }
    }

    /// For a logger that nobody else knows yet.
    private func install(_ core: LoggerCore, _ state: State) {
        let route = route(of: core.name, state)
        core.install(route)
        publish(route, for: core)
    }

    /// What callers have to know of a route, on whatever thread they are.
    private func publish(_ route: Route, for core: LoggerCore) {
        core.threshold.store(threshold(route), ordering: .relaxed)
        let parts = route.handlers.reduce(into: CallSite.Parts()) { $0.formUnion($1.callSiteParts) }
        core.callSiteParts.store(parts.rawValue, ordering: .relaxed)
    }

    private func threshold(_ route: Route) -> UInt8 { route.rules.reduce(route.level) { min($0, $1.level) } }

    private func level(of name: String, _ state: State) -> UInt8 {
        if let level = state.nodes[name]?.level { return level }
        return parent(of: name, state).map { level(of: $0, state) } ?? Level.info.rawValue
    }

    private func route(of name: String, _ state: State) -> Route {
        var handlers: [Handler] = []
        var next: String? = name
        while let name = next, let node = state.nodes[name] {
            for handler in node.handlers where !handlers.contains(where: { $0 === handler }) { handlers.append(handler) }
            next = node.propagates ? parent(of: name, state) : nil
        }
        return Route(
            handlers: handlers, filters: state.nodes[name]!.filters, level: level(of: name, state), rules: state.directives.rules(for: name))
    }
}
