// One call to a logger, as handlers see it.

/// A view of one record: what handlers, filters and formatters read.
///
/// The caller owns the memory. A record is valid during the call that hands it over; code that keeps a part of it must
/// copy that part. During that call the record neither changes nor moves, even if the filter, formatter or handler logs
/// itself.
public struct Record: ~Copyable {
    /// The parts of a record that are known before its message and its fields: plain values, without counted
    /// references.
    struct Head {
        let level: Level
        /// The caller compared the level with a threshold of its own: the logger's level does not count.
        var isAboveThreshold = false
        let time: WallTime
        var callSite: CallSite
        /// The fields that the logger was bound to, with their encoded forms.
        var bound: Unmanaged<BoundFields>?
        /// The fields of the scope that the task was in.
        var scope: Unmanaged<BoundFields>?
        let core: Unmanaged<LoggerCore>
    }

    /// The severity.
    public let level: Level
    let isAboveThreshold: Bool
    /// When the logger was called.
    public let time: WallTime
    /// Where in the source the logger was called. Valid, like the rest, during the call that hands the record over.
    public let callSite: CallSite
    /// The message, as the caller wrote it.
    public let message: Text
    /// The fields of the call itself.
    public let fields: FieldList
    let bound: Unmanaged<BoundFields>?
    let scope: Unmanaged<BoundFields>?
    let core: Unmanaged<LoggerCore>

    @inline(__always)
    init(head: Head, message: Text, fields: FieldList) {
        level = head.level
        isAboveThreshold = head.isAboveThreshold
        time = head.time
        callSite = head.callSite
        bound = head.bound
        scope = head.scope
        core = head.core
        self.message = message
        self.fields = fields
    }

    @inline(__always)
    var head: Head {
        Head(
            level: level, isAboveThreshold: isAboveThreshold, time: time, callSite: callSite, bound: bound,
            scope: scope, core: core)
    }

    /// The logger's full name.
    public var logger: Text { core._withUnsafeGuaranteedRef { $0.nameText } }

    /// True if no format has to escape a character of the name.
    @inline(__always)
    var isNamePlain: Bool { core._withUnsafeGuaranteedRef { $0.isNamePlain } }

    /// The fields of `with`, outermost first.
    public var boundFields: FieldList { bound?._withUnsafeGuaranteedRef { $0.list } ?? FieldList() }

    /// The fields of `withLogContext`, outermost first.
    public var scopeFields: FieldList { scope?._withUnsafeGuaranteedRef { $0.list } ?? FieldList() }

    /// Calls `body` with each effective field: of the scope, of the logger, of the call, in this order. Of fields with
    /// the same key only the innermost, last one is effective.
    @inline(__always)
    public func forEachField(_ body: (Field) throws -> Void) rethrows {
        let (scope, bound) = (scopeFields, boundFields)
        guard !mayRepeatKeys(scope, bound) else { return try forEachFieldThatCounts(scope, bound, body) }
        for field in scope { try body(field) }
        for field in bound { try body(field) }
        for field in fields { try body(field) }
    }

    /// The value of the effective field with this key.
    public func value(_ key: String) -> FieldValue? { fields[key] ?? boundFields[key] ?? scopeFields[key] }

    /// False if neither the call nor the logger nor the scope has fields.
    @inline(__always)
    var hasFields: Bool { !fields.isEmpty || bound != nil || scope != nil }

    @inline(__always)
    var mayRepeatKeys: Bool { mayRepeatKeys(scopeFields, boundFields) }

    @inline(__always)
    private func mayRepeatKeys(_ scope: FieldList, _ bound: FieldList) -> Bool {
        if (scope.mask | bound.mask | fields.mask).hasRepeated { return true }
        return (scope.mask.intersects(bound.mask) || fields.mask.intersects(scope.mask | bound.mask))
            && repeatKeys(scope, bound)
    }

    @inline(never)
    private func repeatKeys(_ scope: FieldList, _ bound: FieldList) -> Bool {
        if hasManyFields(scope, bound) { return true }  // perhaps not: the caller has to look at each field then
        for field in fields where bound.contains(field.key) || scope.contains(field.key) { return true }
        for field in bound where scope.contains(field.key) { return true }
        return false
    }

    private func hasManyFields(_ scope: FieldList, _ bound: FieldList) -> Bool {
        scope.byteCount + bound.byteCount + fields.byteCount > KeyIndex.worthwhile
    }

    @inline(never)
    private func forEachFieldThatCounts(_ scope: FieldList, _ bound: FieldList, _ body: (Field) throws -> Void) rethrows
    {
        guard !hasManyFields(scope, bound) else {
            return try FieldList.forEachThatCounts([scope, bound, fields], body)
        }
        try scope.forEachThatCounts { if !bound.contains($0.key), !fields.contains($0.key) { try body($0) } }
        try bound.forEachThatCounts { if !fields.contains($0.key) { try body($0) } }
        try fields.forEachThatCounts(body)
    }
}
