// Building a record: in the thread's scratch, above a record that may be under way there.

extension Record {
    /// Builds a record and hands it to `body`. All records are built here.
    ///
    /// - Parameters:
    ///   - head: evaluated last, so that it is made in its place.
    ///   - message: evaluated first; its interpolated pieces may be in the scratch.
    ///   - fields: writes the call's fields into the scratch.
    ///   - context: writes fields that come before the call's.
    @inline(__always)
    static func build<Result>(
        _ head: @autoclosure () -> Head, message: () -> LogMessage, fields: (Scratch) -> FieldRegion,
        context: (@Sendable (inout FieldWriter) -> Void)? = nil, _ body: (borrowing Record) -> Result
    ) -> Result {
        let scratch = Scratch.current
        scratch.enter()
        defer { scratch.leave() }
        let message = message()
        scratch.beginValues()
        var region = fields(scratch)
        if let context { region = region.following(context, scratch) }
        return message.withBytes(scratch) { bytes in
            scratch.seal()
            return body(Record(head: head(), message: Text(bytes), fields: region.list(scratch)))
        }
    }

    /// A record that the library makes itself.
    static func make(
        _ text: String, _ level: Level, _ core: LoggerCore, _ time: Int64, _ site: CallSite,
        _ fields: (inout FieldWriter) -> Void = { _ in },
        _ body: (borrowing Record) -> Void
    ) {
        let head = Head(
            level: level, time: WallTime(nanoseconds: time), callSite: site, core: Unmanaged.passUnretained(core))
        var text = text
        text.withUTF8 { utf8 in
            build(head, message: { LogMessage(Text(utf8)) }, fields: { FieldRegion($0, fields) }, body)
        }
    }

    /// Hands this record with more fields to `body`.
    func withAdditional(_ more: (inout FieldWriter) -> Void, _ body: (borrowing Record) -> Void) {
        let (head, message, fields) = (head, message, fields)
        Record.build(
            head, message: { LogMessage(message) },
            fields: { scratch in
                FieldRegion(scratch) { writer in
                    fields.forEachEncoded { writer.append(encoded: $1, $0.header) }
                    more(&writer)
                }
            }, body)
    }

    /// Hands this record to `body`, with these fields in place of its own, the logger's and the scope's.
    func withoutFields(_ fields: (inout FieldWriter) -> Void, _ body: (borrowing Record) throws -> Void) throws {
        var failure: (any Error)?
        var head = head
        (head.bound, head.scope) = (nil, nil)
        let bare = head
        let message = message
        Record.build(bare, message: { LogMessage(message) }, fields: { FieldRegion($0, fields) }) { record in
            do { try body(record) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
