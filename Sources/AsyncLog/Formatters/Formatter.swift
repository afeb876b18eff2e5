// How a record becomes bytes: the seam between the logger and the formats.

/// A format of the log. `TextFormatter`, `ConsoleFormatter`, `JSONFormatter`, `LogfmtFormatter` and `MessagePackFormatter` come with the library.
///
///     struct Minimal: Formatter {
///         func format(_ record: borrowing Record, to line: inout LineBuffer) {
///             line.append(record.level.label)
///             line.append(" ")
///             line.appendEscaped(record.message)
///             line.append("\n")
///         }
///     }
///
/// Each handler has a formatter of its own and calls it on its event loop's thread only, so a formatter may keep what it has worked out. One that
/// throws loses the record (counted, and said where its handler reports troubles) and nothing else.
public protocol Formatter: Sendable {
    /// Writes the record, with whatever ends it (a line feed, usually), behind what `line` holds already.
    mutating func format(_ record: borrowing Record, to line: inout LineBuffer) throws

    /// Which texts of a record's call site the format shows; all of them, unless it says otherwise. The others are not brought along from where they would
    /// have to be copied: from calls that come through another logging API.
    var callSiteParts: CallSite.Parts { get }

    /// The byte that ends each record and is found in none, a line feed if not said otherwise. With it a file whose last record was cut off is mended.
    /// Nil if the format has no such byte.
    var recordEnd: UInt8? { get }
}

extension Formatter {
    public var callSiteParts: CallSite.Parts { .all }
    public var recordEnd: UInt8? { UInt8(ascii: "\n") }
}

/// A formatter that says how it writes times. The last line of a crash has its time filled in later (CrashRecord.swift).
protocol TimedFormatter {
    var timestamps: [Timestamp] { get }
}

extension LineBuffer {
    /// Writes each field that counts, of the task's scope, of the logger, and of the call, in this order.
    ///
    /// What `layOut` writes for the scope's and the logger's fields is kept and used again, if the handler allows it: so it must depend on nothing but the
    /// field and the formatter's settings.
    @inline(__always)
    public mutating func appendFields(of record: borrowing Record, _ layOut: (Field, inout LineBuffer) -> Void) {
        if record.scope != nil || record.bound != nil || record.fields.hasRepeatedKeys {
            appendAllFields(of: record, layOut)
        } else {
            for field in record.fields { layOut(field, &self) }
        }
    }

    @inline(never)
    private mutating func appendAllFields(of record: borrowing Record, _ layOut: (Field, inout LineBuffer) -> Void) {
        guard let layoutOwner, textLimit == .max, !record.mayRepeatKeys else { return record.forEachField { layOut($0, &self) } }
        record.scope?._withUnsafeGuaranteedRef { append($0, layoutOwner, layOut) }
        record.bound?._withUnsafeGuaranteedRef { append($0, layoutOwner, layOut) }
        for field in record.fields { layOut(field, &self) }
    }

    private mutating func append(_ fields: BoundFields, _ owner: LayoutOwner, _ layOut: (Field, inout LineBuffer) -> Void) {
        fields.withLayout(for: owner) { list, line in
            for field in list { layOut(field, &line) }
        } _: { bytes, changes in
            append(bytes)
            keyChanges.formUnion(changes)
        }
    }
}
