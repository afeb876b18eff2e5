// The handler with which tests see what a formatter makes of records.
import AsyncLog

/// Keeps the line that a formatter makes of each record.
public final class Collector<Format: Formatter>: Handler, @unchecked Sendable {
    private var formatter: Format
    public private(set) var lines: [[UInt8]] = []

    public init(_ formatter: Format) {
        self.formatter = formatter
        super.init()
    }

    override public var callSiteParts: CallSite.Parts { formatter.callSiteParts }

    override public func handle(_ record: borrowing Record) throws {
        var line = LineBuffer()
        try formatter.format(record, to: &line)
        lines.append(Array(line.bytes))
    }

    /// The lines as text, without the line feeds at their ends.
    public var texts: [String] {
        lines.map { String(decoding: $0.last == 10 ? $0.dropLast() : $0[...], as: UTF8.self) }
    }
}
