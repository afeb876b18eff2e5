// Where the records of a logger go: handlers, and the logger's own say in it.

/// Where the records of one logger go, all ancestors taken into account; loggers for which the same holds share it. Immutable.
final class Route: @unchecked Sendable {
    let handlers: [Handler]
    private let list: UnsafeBufferPointer<Unmanaged<Handler>>
    let filters: [Filter]
    /// Records below get here only for the sake of `rules`.
    let level: UInt8
    let rules: [Directives.FieldRule]
    /// The number of the change of its tree's settings that it follows from. A later one has a higher number.
    let change: UInt64

    init(handlers: [Handler] = [], filters: [Filter] = [], level: UInt8 = 0, rules: [Directives.FieldRule] = [], change: UInt64 = 0) {
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

    /// Records below are of no interest to anybody.
    var threshold: UInt8 { rules.reduce(level) { min($0, $1.level) } }

    /// Which texts of a call site any of the handlers reads.
    var callSiteParts: CallSite.Parts { handlers.reduce(into: CallSite.Parts()) { $0.formUnion($1.callSiteParts) } }

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
        if record.level.rawValue < level, !record.head.isAboveThreshold, !isLetIn(record) { return false }
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
