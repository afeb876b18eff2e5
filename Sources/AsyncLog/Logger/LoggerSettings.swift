// What has been set for names of loggers: a tree of its own, in which there is a place only for what somebody has set.
//
// A logger's settings are its name's: they are there before the logger is made, and stay when it has gone.

/// What has been set by hand for one name, and below it for others. The tree's lock guards it.
final class LoggerSettings {
    /// Nil: directives say it, or else the parent.
    var level: UInt8?
    var handlers: [Handler] = []
    var filters: [Filter] = []
    var propagates = true
    private var children: [LoggerName: LoggerSettings] = [:]

    private var isEmpty: Bool { level == nil && handlers.isEmpty && filters.isEmpty && propagates && children.isEmpty }

    // MARK: Names

    /// The settings on the way down to a name, as far as there are any: this one's, which is the root's, first.
    ///
    /// - Parameter path: the name's parts below the root.
    func chain(_ path: [Substring.UTF8View]) -> [LoggerSettings] {
        var chain = [self]
        for part in path {
            guard !chain[chain.count - 1].children.isEmpty, let next = chain[chain.count - 1].children[LoggerName(part)] else { break }
            chain.append(next)
        }
        return chain
    }

    /// Changes the settings of a name; what has nothing set afterwards has no place any more.
    func change(_ path: ArraySlice<Substring.UTF8View>, _ body: (LoggerSettings) -> Void) {
        guard let part = path.first else { return body(self) }
        let name = LoggerName(part)
        let child = children[name] ?? LoggerSettings()
        child.change(path.dropFirst(), body)
        children[name] = child.isEmpty ? nil : child
    }

    /// Takes back the levels below of those names of which `isTaken` says so. They are full names; this one's is `name`.
    func takeBackLevels(below name: String, _ isTaken: (String) -> Bool) {
        for (part, child) in children {
            let full = part.below(name)
            if child.level != nil, isTaken(full) { child.level = nil }
            child.takeBackLevels(below: full, isTaken)
            if child.isEmpty { children[part] = nil }
        }
    }
}
