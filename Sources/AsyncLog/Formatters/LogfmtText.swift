// `key=value`, as logfmt and the text formats write fields.
//
//     pair   = key "=" value
//     key    = 1*(any character but blank, "=", '"', "\", U+FFFD, control characters); others become "_"
//     value  = plain | '"' JSON string characters '"'
//     plain  = *(any character but blank, "=", '"', "\", control characters)
//
// A text is quoted if it is empty, has a character that is not plain, or reads like a number, a boolean or null: an
// unquoted value that looks like one of these is one. An object `user` with a field `id` becomes `user.id=7`; a list
// becomes `[1,2]` in quotes. Keys that become equal are numbered (UniqueKeys.swift).

enum LogfmtText {
    /// Writes a pair, with `prefix` in front of the key.
    @inline(__always)
    static func append(_ key: Text, _ prefix: String, _ value: FieldValue, to line: inout LineBuffer) {
        switch value {
        case .object(let fields), .error(let fields): appendObject(key, prefix, fields, to: &line)
        default:
            if !prefix.isEmpty { line.append(prefix) }
            appendKey(key, to: &line)
            line.append("=")
            append(value, to: &line)
        }
    }

    /// Writes the fields of an object with its key in front of theirs; an empty object is `{}`.
    @inline(never)
    private static func appendObject(_ key: Text, _ prefix: String, _ fields: FieldList, to line: inout LineBuffer) {
        line.keyChanges.insert(.flattened)
        var inner = prefix + repaired(key, for: &line)
        if fields.isEmpty {
            line.append(inner)
            line.append("={}")
            return
        }
        inner += "."
        var isFirst = true
        fields.forEachThatCounts { field in
            if !isFirst { line.append(" ") }
            isFirst = false
            append(field.key, inner, field.value, to: &line)
        }
    }

    @inline(__always)
    static func append(_ value: FieldValue, to line: inout LineBuffer) {
        switch value {
        case .null: line.append("null")
        case .bool(let value): line.append(value ? "true" : "false" as StaticString)
        case .int(let value): line.append(value)
        case .uint(let value): line.append(value)
        case .double(let value): line.append(value)
        case .float(let value): line.append(value)
        case .duration(let value):
            line.ensure(DurationText.maximumLength)
            line.cursor += DurationText.write(value, to: line.cursor)
        case .text(let text): append(text, to: &line)
        case .date, .bytes, .array, .object, .error: appendOther(value, to: &line)
        }
    }

    @inline(never)
    private static func appendOther(_ value: FieldValue, to line: inout LineBuffer) {
        switch value {
        case .date(let date):
            var timestamp = Timestamp(.rfc3339(.nanoseconds))
            line.ensure(Timestamp.maximumLength)
            line.cursor += timestamp.write(date.nanoseconds, to: line.cursor)
        case .bytes(let bytes):
            line.append("0x")
            line.appendHex(line.limited(bytes))
        case .array, .object, .error:
            // A list is JSON in a quoted text.
            var json = LineBuffer()
            json.textLimit = line.textLimit
            JSONText.append(value, to: &json, dates: nil)
            let text = Text(json.bytes.bindMemory(to: UInt8.self))
            line.append("\"")
            Escape.append(text.bytes, to: &line, .json)
            line.append("\"")
        default: break
        }
    }

    @inline(__always)
    private static func append(_ text: Text, to line: inout LineBuffer) {
        if text.bytes.count <= line.textLimit, isPlain(text.bytes) { return line.append(text.bytes) }
        line.append("\"")
        line.appendEscaped(text, .json)
        line.append("\"")
    }

    @inline(__always)
    static func appendKey(_ key: Text, to line: inout LineBuffer) {
        if key.bytes.allSatisfy({ isPlain($0) }), !key.isEmpty, key.bytes.count <= line.textLimit {
            line.append(key.bytes)
        } else {
            appendRepaired(key, to: &line)
        }
    }

    @inline(never)
    private static func appendRepaired(_ key: Text, to line: inout LineBuffer) {
        var isChanged = key.isEmpty || key.bytes.count > line.textLimit
        if key.isEmpty { line.append("_") }
        for scalar in String(key).unicodeScalars.prefix(line.textLimit) {
            // Parsers write U+FFFD for bytes that are not UTF-8.
            let isPlain =
                scalar.value >= 0x80 ? scalar != "\u{FFFD}" && Escape.isPlain(scalar) : isPlain(UInt8(scalar.value))
            if isPlain { line.append(String(scalar)) } else { line.append("_") }
            if !isPlain { isChanged = true }
        }
        if isChanged { line.keyChanges.insert(.repaired) }
    }

    /// The key as it appears in the line.
    static func repaired(_ key: Text, for line: inout LineBuffer) -> String {
        var name = LineBuffer()
        name.textLimit = line.textLimit
        appendKey(key, to: &name)
        line.keyChanges.formUnion(name.keyChanges)
        return String(decoding: name.bytes, as: UTF8.self)
    }

    // MARK: All fields of a record

    /// Writes the fields of a record as pairs, each with a blank in front.
    ///
    /// - Parameters:
    ///   - reserved: the format's own keys; fields with these names get `fields.` in front.
    ///   - names: all keys in front of the fields, as they are written.
    @inline(__always)
    static func appendFields(
        of record: borrowing Record, reserved: ReservedKeys?, names: [String], to line: inout LineBuffer
    ) {
        let begin = line.count
        line.appendFields(of: record) { field, line in
            line.append(UInt8(ascii: " "))
            var prefix = ""
            if let reserved, reserved.contains(field) {
                prefix = reservedPrefix
                line.keyChanges.insert(.prefixed)
            }
            append(field.key, prefix, field.value, to: &line)
        }
        if !line.keyChanges.isEmpty { makeUnique(record, reserved, names, from: begin, &line) }
    }

    private static let reservedPrefix = "fields."

    /// Writes the fields again, if two of their keys may be equal.
    @inline(never)
    private static func makeUnique(
        _ record: borrowing Record, _ reserved: ReservedKeys?, _ names: [String], from begin: Int,
        _ line: inout LineBuffer
    ) {
        defer { line.keyChanges = [] }
        guard line.keyChanges.mayCollide(in: record) || names.contains(where: { $0.utf8.contains(UInt8(ascii: ".")) })
        else { return }
        line.cut(to: begin)
        var keys = UniqueKeys(names)
        record.forEachField { field in
            let prefix = reserved?.contains(field) == true ? reservedPrefix : ""
            append(field.key, prefix, field.value, &keys, to: &line)
        }
    }

    /// Writes a pair, or the pairs of an object, each with a blank in front and a key that has not been claimed before.
    static func append(
        _ key: Text, _ prefix: String, _ value: FieldValue, _ keys: inout UniqueKeys, to line: inout LineBuffer
    ) {
        let name = prefix + repaired(key, for: &line)
        switch value {
        case .object(let fields) where !fields.isEmpty:
            fields.forEachThatCounts { append($0.key, name + ".", $0.value, &keys, to: &line) }
        case .error(let fields) where !fields.isEmpty:
            fields.forEachThatCounts { append($0.key, name + ".", $0.value, &keys, to: &line) }
        case .object, .error:
            line.append(" ")
            line.append(keys.claim(name))
            line.append("={}")
        default:
            line.append(" ")
            line.append(keys.claim(name))
            line.append("=")
            append(value, to: &line)
        }
    }

    // MARK: Plain texts

    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x3D && byte != 0x5C
    }

    @inline(__always)
    private static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = text.first else { return false }
        for byte in text where !isPlain(byte) { return isPlainUnicode(text) && !isAmbiguous(text) }
        // A word that begins with a letter and is none of the reserved words is plain.
        switch first | 0x20 {
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "i"): return !isAmbiguous(text)
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "/"): return true
        default: return !isAmbiguous(text)
        }
    }

    /// Beyond ASCII, all characters are plain that need not be escaped.
    private static func isPlainUnicode(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.allSatisfy { $0 >= 0x80 || isPlain($0) } && Escape.isPlain(text)
    }

    /// True if a parser would take the text, without quotes, for a value of another kind.
    private static func isAmbiguous(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let text = Text(text)
        for word in ["true", "false", "null", "nan", "inf", "infinity"] as [StaticString] where text == word {
            return true
        }
        guard let first = text.bytes.first else { return true }
        return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
            || [UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "["), UInt8(ascii: "{")].contains(
                first)
    }
}

extension Escape {
    static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        var text = String(scalar)
        return text.withUTF8 { isPlain($0) }
    }
}

extension LineBuffer {
    /// The first bytes, if texts are to be cut.
    func limited(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.prefix(textLimit / 2))
    }
}
