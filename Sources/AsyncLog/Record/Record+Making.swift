// Records that the library makes itself, or makes of others. They are built in the thread's scratch, above the record that may be under way there.

extension Record {
    /// Makes a record on the spot and hands it to `body`.
    static func make(
        _ text: String, _ level: Level, _ core: LoggerCore, _ time: Int64, _ site: CallSite, _ fields: (inout FieldWriter) -> Void = { _ in },
        _ body: (borrowing Record) -> Void
    ) {
        var text = text
        text.withUTF8 { make(Text($0), level, core, time, site, fields, body) }
    }

    /// The same with a message that stays where it is.
    static func make(
        _ message: Text, _ level: Level, _ core: LoggerCore, _ time: Int64, _ site: CallSite, _ fields: (inout FieldWriter) -> Void,
        _ body: (borrowing Record) -> Void
    ) {
        let scratch = Scratch.current
        scratch.enter()
        defer { scratch.leave() }
        let region = FieldRegion(scratch, fields)
        scratch.seal()
        body(
            Record(
                level: level, time: WallTime(nanoseconds: time), callSite: site, message: message, fields: region.list(scratch), bound: nil,
                scope: nil, core: Unmanaged.passUnretained(core)))
    }

    /// Hands a record with more fields to `body`.
    func withAdditional(_ more: (inout FieldWriter) -> Void, _ body: (borrowing Record) -> Void) {
        let scratch = Scratch.current
        scratch.enter()
        defer { scratch.leave() }
        let region = FieldRegion(scratch) { writer in
            fields.forEachEncoded { writer.append(encoded: $1, $0.header) }
            more(&writer)
        }
        scratch.seal()
        body(
            Record(
                level: level, isAboveThreshold: isAboveThreshold, time: time, callSite: callSite, message: message, fields: region.list(scratch),
                bound: bound, scope: scope, core: core))
    }

    /// Hands a record with these fields in place of its own, the logger's and the scope's to `body`.
    func withoutFields(_ fields: (inout FieldWriter) -> Void, _ body: (borrowing Record) throws -> Void) throws {
        var failure: (any Error)?
        Record.make(message, level, core._withUnsafeGuaranteedRef { $0 }, time.nanoseconds, callSite, fields) { record in
            do { try body(record) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
