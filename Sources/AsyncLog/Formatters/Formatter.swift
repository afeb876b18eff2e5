// The protocol of formats: how a record becomes bytes.

/// A format of the log. `TextFormatter`, `ConsoleFormatter`, `JSONFormatter`, `LogfmtFormatter`, `SyslogFormatter` and
/// `MessagePackFormatter` come with the library.
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
/// Each handler has a formatter of its own and calls it on its event loop's thread only, so a formatter may cache. If a
/// formatter throws, the handler drops the record, counts it and reports the error; it loses nothing else.
public protocol Formatter: Sendable {
    /// Appends the record to `line`, with the bytes that end it (usually a line feed).
    mutating func format(_ record: borrowing Record, to line: inout LineBuffer) throws

    /// The texts of a record's call site that the format shows; all of them by default. Calls through another logging
    /// API leave the others out, because each text must be copied.
    var callSiteParts: CallSite.Parts { get }

    /// The byte that ends each record and is inside none; a line feed by default. A handler uses it to repair a file
    /// whose last record was cut off. Nil if the format has no such byte.
    var recordEnd: UInt8? { get }
}

extension Formatter {
    public var callSiteParts: CallSite.Parts { .all }
    public var recordEnd: UInt8? { UInt8(ascii: "\n") }
}

/// A formatter that declares how it writes times. The crash handler fills in the time of its record
/// (CrashRecord.swift).
protocol TimedFormatter {
    var timestamps: [Timestamp] { get }
}

extension LineBuffer {
    /// Writes each effective field: of the task's scope, of the logger, and of the call, in this order.
    ///
    /// If the handler allows it, the bytes that `layOut` writes for the scope's and the logger's fields are kept and
    /// used again. So `layOut` may depend on nothing but the field and the formatter's settings.
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
        guard let layoutOwner, textLimit == .max, !record.mayRepeatKeys else {
            return record.forEachField { layOut($0, &self) }
        }
        record.scope?._withUnsafeGuaranteedRef { append($0, layoutOwner, layOut) }
        record.bound?._withUnsafeGuaranteedRef { append($0, layoutOwner, layOut) }
        for field in record.fields { layOut(field, &self) }
    }

    private mutating func append(
        _ fields: BoundFields, _ owner: LayoutOwner, _ layOut: (Field, inout LineBuffer) -> Void
    ) {
        fields.withLayout(for: owner) { list, line in
            for field in list { layOut(field, &line) }
        } _: { bytes, changes in
            append(bytes)
            keyChanges.formUnion(changes)
        }
    }
}
