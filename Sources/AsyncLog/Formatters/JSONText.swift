// Values as JSON (RFC 8259): on one line, always valid, numbers as numbers.
//
// JSON has neither not-a-number nor infinities: they become the texts "NaN", "Infinity" and "-Infinity". Bytes become
// hexadecimal text, durations become seconds, and dates follow the formatter's time style.

enum JSONText {
    /// Writes the value of a field; values of the usual kinds straight from their encoding.
    @inline(__always)
    static func append(_ field: Field, to line: inout LineBuffer, dates: DateStyle?) {
        var at = field.encoded
        let kind = Encoding.get(UInt8.self, at: at)
        if kind == ValueKind.int.rawValue {
            line.append(Encoding.get(Int64.self, at: at, 1))
        } else if kind == ValueKind.text.rawValue {
            at += 1
            append(Text(Decoding.block(&at).assumingMemoryBound(to: UInt8.self)), to: &line)
        } else if kind == ValueKind.true.rawValue {
            line.append("true" as StaticString)
        } else if kind == ValueKind.false.rawValue {
            line.append("false" as StaticString)
        } else {
            append(field.value, to: &line, dates: dates)
        }
    }

    /// - Parameter dates: how dates are written; RFC 3339 with nanoseconds, if nil.
    static func append(_ value: FieldValue, to line: inout LineBuffer, dates: DateStyle?) {
        switch value {
        case .null: line.append("null")
        case .bool(let value): line.append(value ? "true" : "false" as StaticString)
        case .int(let value): line.append(value)
        case .uint(let value): line.append(value)
        case .text(let text): append(text, to: &line)
        case .double(let value):
            if value.isFinite { line.append(value) } else { appendNonFinite(value, to: &line) }
        case .float, .date, .duration, .bytes, .array, .object, .error: appendOther(value, to: &line, dates)
        }
    }

    @inline(__always)
    static func append(_ text: Text, to line: inout LineBuffer) {
        line.append(UInt8(ascii: "\""))
        line.appendEscaped(text, .json)
        line.append(UInt8(ascii: "\""))
    }

    @inline(never)
    private static func appendOther(_ value: FieldValue, to line: inout LineBuffer, _ dates: DateStyle?) {
        switch value {
        case .float(let value):
            if value.isFinite { line.append(value) } else { appendNonFinite(Double(value), to: &line) }
        case .date(let date):
            var timestamp = dates?.timestamp ?? Timestamp(.rfc3339(.nanoseconds))
            if !timestamp.isNumber { line.append("\"") }
            line.ensure(Timestamp.maximumLength)
            line.cursor += timestamp.write(date.nanoseconds, to: line.cursor)
            if !timestamp.isNumber { line.append("\"") }
        case .duration(let value):
            line.ensure(DurationText.maximumLength)
            line.cursor += DurationText.writeSeconds(value, to: line.cursor)
        case .bytes(let bytes):
            line.append("\"")
            line.appendHex(line.limited(bytes))
            line.append("\"")
        case .array(let values):
            line.append("[")
            var isFirst = true
            for value in values {
                if !isFirst { line.append(",") }
                isFirst = false
                append(value, to: &line, dates: dates)
            }
            line.append("]")
        case .object(let fields), .error(let fields):
            line.append("{")
            var isFirst = true
            fields.forEachThatCounts { field in
                if !isFirst { line.append(",") }
                isFirst = false
                line.append(UInt8(ascii: "\""))
                line.appendKey(field.key, .json)
                line.appendPair("\"", ":")
                append(field.value, to: &line, dates: dates)
            }
            line.append("}")
        default: append(value, to: &line, dates: dates)
        }
    }

    private static func appendNonFinite(_ value: Double, to line: inout LineBuffer) {
        line.append(value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"" as StaticString)
    }
}

/// How the dates in fields are written. A class, so that passing it from function to function costs nothing.
final class DateStyle: Sendable {
    let timestamp: Timestamp

    init(_ timestamp: Timestamp) { self.timestamp = timestamp }
}
