// The destinations of a logger's records: handlers, and the logger's own filters.

/// Where the records of one logger go, with all its ancestors' settings taken into account. Loggers with the same
/// result share a route. Immutable.
final class Route: @unchecked Sendable {
    let handlers: [Handler]
    private let list: UnsafeBufferPointer<Unmanaged<Handler>>
    let filters: [Filter]
    /// Records below this level arrive here only because of `rules`.
    let level: UInt8
    let rules: [Directives.FieldRule]
    /// The number of the change of the tree's settings from which this route results. A later change has a higher
    /// number.
    let change: UInt64

    init(
        handlers: [Handler] = [], filters: [Filter] = [], level: UInt8 = 0, rules: [Directives.FieldRule] = [],
        change: UInt64 = 0
    ) {
        self.handlers = handlers
        self.filters = filters
        self.level = level
        self.rules = rules
        self.change = change
        let list = UnsafeMutableBufferPointer<Unmanaged<Handler>>.allocate(capacity: handlers.count)
        _ = list.initialize(from: handlers.map(Unmanaged.passUnretained))
        self.list = UnsafeBufferPointer(list)
    }

    deinit { list.deallocate() }

    /// No handler, filter or rule is interested in records below.
    var threshold: UInt8 { rules.reduce(level) { min($0, $1.level) } }

    /// The texts of a call site that any of the handlers reads.
    var callSiteParts: CallSite.Parts { handlers.reduce(into: CallSite.Parts()) { $0.formUnion($1.callSiteParts) } }

    /// Calls `body` with each handler that accepts the record's level and content. Counts no references: the route
    /// holds the handlers.
    @inline(__always)
    func forEachRecipient(_ record: borrowing Record, _ body: (Handler) -> Void) {
        for handler in list {
            handler._withUnsafeGuaranteedRef { if $0.wants(record) { body($0) } }
        }
    }

    /// Whether the logger's level, rules and filters let the record go on.
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
