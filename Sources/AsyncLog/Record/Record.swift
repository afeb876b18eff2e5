// One call to a logger, on its way through the handlers.

/// A view of one record: what handlers, filters and formatters see.
///
/// The memory is the caller's: a record is valid during the call that hands it over, and whoever wants to keep something of it copies that. During that call
/// it stays what it is and where it is, also if the filter, formatter or handler logs itself.
public struct Record: ~Copyable {
    /// What is known of a record before its message and its fields are: plain values, without references that are counted.
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

    let head: Head
    /// The message, as the caller wrote it.
    public let message: Text
    /// The fields of the call itself.
    public let fields: FieldList

    /// How grave it is, as the caller said.
    public var level: Level { head.level }

    /// When the logger was called.
    public var time: WallTime { head.time }

    /// Where in the source the logger was called. Valid, like the rest, during the call that hands the record over.
    public var callSite: CallSite { head.callSite }

    var bound: Unmanaged<BoundFields>? { head.bound }
    var scope: Unmanaged<BoundFields>? { head.scope }
    var core: Unmanaged<LoggerCore> { head.core }

    /// The logger's full name.
    public var logger: Text { core._withUnsafeGuaranteedRef { $0.nameText } }

    /// True if the name has nothing that any format would have to escape.
    @inline(__always)
    var isNamePlain: Bool { core._withUnsafeGuaranteedRef { $0.isNamePlain } }

    /// The fields of `with`, outermost first.
    public var boundFields: FieldList { bound?._withUnsafeGuaranteedRef { $0.list } ?? FieldList() }

    /// The fields of `withLogContext`, outermost first.
    public var scopeFields: FieldList { scope?._withUnsafeGuaranteedRef { $0.list } ?? FieldList() }

    /// Calls `body` with each field that counts: of the scope, of the logger, of the call, in this order. Of fields with the same key only the
    /// innermost, last one counts.
    @inline(__always)
    public func forEachField(_ body: (Field) throws -> Void) rethrows {
        let (scope, bound) = (scopeFields, boundFields)
        guard !mayRepeatKeys(scope, bound) else { return try forEachFieldThatCounts(scope, bound, body) }
        for field in scope { try body(field) }
        for field in bound { try body(field) }
        for field in fields { try body(field) }
    }

    /// The value of the field that counts.
    public func value(_ key: String) -> FieldValue? { fields[key] ?? boundFields[key] ?? scopeFields[key] }

    /// False: there are none, of the call, the logger or the scope.
    @inline(__always)
    var hasFields: Bool { !fields.isEmpty || bound != nil || scope != nil }

    @inline(__always)
    var mayRepeatKeys: Bool { mayRepeatKeys(scopeFields, boundFields) }

    @inline(__always)
    private func mayRepeatKeys(_ scope: FieldList, _ bound: FieldList) -> Bool {
        if (scope.mask | bound.mask | fields.mask).hasRepeated { return true }
        return (scope.mask.intersects(bound.mask) || fields.mask.intersects(scope.mask | bound.mask)) && repeatKeys(scope, bound)
    }

    @inline(never)
    private func repeatKeys(_ scope: FieldList, _ bound: FieldList) -> Bool {
        if hasManyFields(scope, bound) { return true }  // maybe not: whoever asks has to look at each field then
        for field in fields where bound.contains(field.key) || scope.contains(field.key) { return true }
        for field in bound where scope.contains(field.key) { return true }
        return false
    }

    private func hasManyFields(_ scope: FieldList, _ bound: FieldList) -> Bool {
        scope.byteCount + bound.byteCount + fields.byteCount > KeyIndex.worthwhile
    }

    @inline(never)
    private func forEachFieldThatCounts(_ scope: FieldList, _ bound: FieldList, _ body: (Field) throws -> Void) rethrows {
        guard !hasManyFields(scope, bound) else { return try FieldList.forEachThatCounts([scope, bound, fields], body) }
        try scope.forEachThatCounts { if !bound.contains($0.key), !fields.contains($0.key) { try body($0) } }
        try bound.forEachThatCounts { if !fields.contains($0.key) { try body($0) } }
        try fields.forEachThatCounts(body)
    }
}
