// The loggers of a tree: names, levels, handlers and filters, and what results from them for each logger.
//
// Settings are rare and records are many. So a setting is made under a lock, and its result is computed at once for
// every existing logger: a threshold (one byte, which callers read without a lock) and a route (handlers and filters,
// which only the loop's thread reads, and which is therefore replaced on the loop's thread). Most loggers have no
// settings of their own, and share the route of the nearest ancestor that has.
import EventLoop
import Synchronization

/// A root and all names below it.
final class LoggerTree: Sendable {
    let pipeline: Pipeline
    let clock: LogClock
    let context: (@Sendable (inout FieldWriter) -> Void)?
    private let rootName: String
    private let state: Locked<State>

    private struct State {
        let settings = LoggerSettings()
        var directives = Directives()
        /// How many times the settings have been changed.
        var changes: UInt64 = 0
        /// The existing loggers.
        var cores: [LoggerName: WeakCore] = [:]
        /// Routes that several loggers share, for the present settings.
        var routes: [RouteKey: Route] = [:]
    }

    private struct WeakCore { weak var core: LoggerCore? }

    private struct RouteKey: Hashable {
        let settings: ObjectIdentifier
        let level: UInt8
    }

    init(
        _ name: String, level: Level, handlers: [Handler], pipeline: Pipeline, clock: LogClock,
        context: (@Sendable (inout FieldWriter) -> Void)?
    ) {
        // The root's name leaves room: a cut name of a child must still be longer than its root's.
        rootName = RecordLimits.limited(name: name, to: RecordLimits.nameLength / 2)
        self.pipeline = pipeline
        self.clock = clock
        self.context = context
        let state = State()
        state.settings.level = level.rawValue
        state.settings.handlers = handlers
        self.state = Locked(state)
    }

    /// The root of the tree.
    func root() -> LoggerHandle { LoggerFamily(self).logger(rootName) }

    // MARK: Names

    func name(of child: String, below core: LoggerCore) -> String {
        child.isEmpty || RecordLimits.isCut(core.name)
            ? core.name : RecordLimits.limited(name: core.name.isEmpty ? child : core.name + "." + child)
    }

    /// The logger with this name; makes it if it does not exist.
    func core(_ name: String) -> (core: LoggerCore, isNew: Bool) {
        state.withLock { state in
            let key = LoggerName(name)
            if let core = state.cores[key]?.core { return (core, false) }
            let core = LoggerCore(name, tree: self)
            state.cores[key] = WeakCore(core: core)
            let route = route(of: name, &state)
            core.install(route)
            publish(route, for: core)
            return (core, true)
        }
    }

    /// A logger with this name has been freed. There may be a new one by now.
    func forget(_ name: String) {
        // The logger that is found here is released outside the lock: this may be its last reference, and its `deinit`
        // takes the lock.
        _ = state.withLock { state -> LoggerCore? in
            let key = LoggerName(name)
            let other = state.cores[key]?.core
            if other == nil { state.cores[key] = nil }
            return other
        }
    }

    /// How many loggers exist.
    var count: Int { state.withLock { $0.cores.count } }

    /// The parts of a name below the root's.
    private func path(_ name: String) -> [Substring.UTF8View] {
        guard name.utf8.count > rootName.utf8.count else { return [] }
        let below = name.utf8.dropFirst(rootName.isEmpty ? 0 : rootName.utf8.count + 1)
        return below.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    }

    // MARK: Settings

    func effectiveLevel(of core: LoggerCore) -> UInt8 {
        state.withLock { state in
            let path = path(core.name)
            return level(of: core.name, path, state.settings.chain(path), state)
        }
    }

    func setLevel(_ level: UInt8?, of core: LoggerCore) {
        let isRoot = core.name.utf8.count == rootName.utf8.count
        change(core) { $0.level = level ?? (isRoot ? Level.info.rawValue : nil) }
    }

    func apply(_ directives: Directives) {
        change { [rootName] state in
            state.directives = directives
            if let level = directives.level(of: rootName) ?? directives.base { state.settings.level = level }
            state.settings.takeBackLevels(below: rootName) { directives.level(of: $0) != nil }
        }
    }

    func setPropagates(_ propagates: Bool, of core: LoggerCore) { change(core) { $0.propagates = propagates } }

    func propagates(_ core: LoggerCore) -> Bool { own(core) { $0?.propagates ?? true } }

    func add(_ filter: Filter, to core: LoggerCore) { change(core) { $0.filters.append(filter) } }

    func removeFilters(of core: LoggerCore) { change(core) { $0.filters = [] } }

    /// The recipients of its records: its own handlers and its ancestors'.
    func recipients(of core: LoggerCore) -> [Handler] { state.withLock { route(of: core.name, &$0).handlers } }

    func handlers(of core: LoggerCore) -> [Handler] { own(core) { $0?.handlers ?? [] } }

    func add(_ handler: Handler, to core: LoggerCore) {
        precondition(
            handler.loop === pipeline.loop,
            "add: the handler must live on the event loop of the logger's other handlers")
        pipeline.perform { $0.add(handler) }
        change(core) { if !$0.handlers.contains(where: { $0 === handler }) { $0.handlers.append(handler) } }
    }

    func remove(_ handler: Handler, from core: LoggerCore) { change(core) { $0.handlers.removeAll { $0 === handler } } }

    /// Reads the settings of this very name.
    private func own<Value>(_ core: LoggerCore, _ body: (LoggerSettings?) -> Value) -> Value {
        state.withLock { state in
            let path = path(core.name)
            let chain = state.settings.chain(path)
            return body(chain.count == path.count + 1 ? chain[path.count] : nil)
        }
    }

    // MARK: Thresholds and routes

    private func change(_ core: LoggerCore, _ body: (LoggerSettings) -> Void) {
        change { state in state.settings.change(path(core.name)[...], body) }
    }

    /// Changes the settings, then the thresholds at once, and the routes as soon as the loop gets to it, behind the
    /// records in flight.
    private func change(_ body: (inout State) -> Void) {
        let routes = state.withLock { state in
            body(&state)
            state.changes += 1
            state.routes = [:]
            return state.cores.values.compactMap { weak -> (LoggerCore, Route)? in
                guard let core = weak.core else { return nil }
                let route = route(of: core.name, &state)
                publish(route, for: core)
                return (core, route)
            }
        }
        pipeline.perform { pipeline in
            let replaced = routes.compactMap { core, route in core.reroute(route) }
            pipeline.loop.soon { for route in replaced { route.release() } }
        }
    }

    /// Stores what callers on any thread have to know of a route.
    private func publish(_ route: Route, for core: LoggerCore) {
        core.threshold.store(route.threshold, ordering: .relaxed)
        core.callSiteParts.store(route.callSiteParts.rawValue, ordering: .relaxed)
    }

    /// The nearest level counts, whether it was set by hand or by a directive. Of both for the same name the one set by
    /// hand counts, because it is the later one.
    private func level(of name: String, _ path: [Substring.UTF8View], _ chain: [LoggerSettings], _ state: State)
        -> UInt8
    {
        guard state.directives.haveNames else { return chain.last { $0.level != nil }?.level ?? Level.info.rawValue }
        for depth in (1..<path.count + 1).reversed() {
            if depth < chain.count, let level = chain[depth].level { return level }
            if let level = state.directives.level(of: String(Substring(name.utf8[..<path[depth - 1].endIndex]))) {
                return level
            }
        }
        return chain[0].level ?? Level.info.rawValue
    }

    private func route(of name: String, _ state: inout State) -> Route {
        let path = path(name)
        let chain = state.settings.chain(path)
        let level = level(of: name, path, chain, state)
        let rules = state.directives.rules(for: name)
        let filters = chain.count == path.count + 1 ? chain[path.count].filters : []
        guard rules.isEmpty, filters.isEmpty else {
            return Route(handlers: handlers(chain), filters: filters, level: level, rules: rules, change: state.changes)
        }
        let key = RouteKey(settings: ObjectIdentifier(chain[chain.count - 1]), level: level)
        if let route = state.routes[key] { return route }
        let route = Route(handlers: handlers(chain), level: level, change: state.changes)
        state.routes[key] = route
        return route
    }

    private func handlers(_ chain: [LoggerSettings]) -> [Handler] {
        var handlers: [Handler] = []
        for settings in chain.reversed() {
            for handler in settings.handlers where !handlers.contains(where: { $0 === handler }) {
                handlers.append(handler)
            }
            if !settings.propagates { break }
        }
        return handlers
    }
}
