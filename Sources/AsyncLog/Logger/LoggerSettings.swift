// The settings of loggers' names: a tree of its own, with nodes only for names that have settings.
//
// Settings belong to the name: they exist before the logger is made, and stay when it is freed.

/// The settings of one name, and of the names below it. The tree's lock guards it.
final class LoggerSettings {
    /// Nil: directives or the parent determine the level.
    var level: UInt8?
    var handlers: [Handler] = []
    var filters: [Filter] = []
    var propagates = true
    private var children: [LoggerName: LoggerSettings] = [:]

    private var isEmpty: Bool { level == nil && handlers.isEmpty && filters.isEmpty && propagates && children.isEmpty }

    // MARK: Names

    /// The settings on the way down to a name, as far as there are any, the root's first.
    ///
    /// - Parameter path: the name's parts below the root.
    func chain(_ path: [Substring.UTF8View]) -> [LoggerSettings] {
        var chain = [self]
        for part in path {
            guard !chain[chain.count - 1].children.isEmpty, let next = chain[chain.count - 1].children[LoggerName(part)]
            else { break }
            chain.append(next)
        }
        return chain
    }

    /// Changes the settings of a name, and removes nodes that have no settings afterwards.
    func change(_ path: ArraySlice<Substring.UTF8View>, _ body: (LoggerSettings) -> Void) {
        guard let part = path.first else { return body(self) }
        let name = LoggerName(part)
        let child = children[name] ?? LoggerSettings()
        child.change(path.dropFirst(), body)
        children[name] = child.isEmpty ? nil : child
    }

    /// Removes the levels of the names below for which `isTaken` returns true. It is given full names; `name` is the
    /// full name of this node.
    func takeBackLevels(below name: String, _ isTaken: (String) -> Bool) {
        for (part, child) in children {
            let full = part.below(name)
            if child.level != nil, isTaken(full) { child.level = nil }
            child.takeBackLevels(below: full, isTaken)
            if child.isEmpty { children[part] = nil }
        }
    }
}
