// `2026-11-22T08:27:00.123456Z INFO app: Hello world !`: one record, one line.

/// Lays records out as lines of text: time (RFC 3339, UTC, microseconds), level, logger, message. Control characters are escaped.
struct TextFormatter {
    private var timestamp = Timestamp()
    private var isPlain = true

    /// Looks at the record and returns at least the number of bytes that `format` will write for it.
    mutating func prepare(_ record: Record) -> Int {
        isPlain = Escape.isPlain(record.message)
        let message = isPlain ? record.message.count : record.message.count * Escape.expansion
        // Time, blank, level (at most "CRITICAL"), blank, name, ": ", message, line feed.
        return Timestamp.length + 1 + 8 + 1 + record.name.count + 2 + message + 1
    }

    /// Writes the line of the record that was prepared last to `memory`, and returns its length.
    mutating func format(_ record: Record, to memory: UnsafeMutablePointer<UInt8>) -> Int {
        var cursor = memory
        timestamp.write(record.time, to: cursor)
        cursor += Timestamp.length
        put(" ", at: &cursor)
        put(record.level.label, at: &cursor)
        put(" ", at: &cursor)
        put(record.name, at: &cursor)
        put(": ", at: &cursor)
        if isPlain { put(record.message, at: &cursor) } else { cursor += Escape.write(record.message, to: cursor) }
        put("\n", at: &cursor)
        return cursor - memory
    }

    @inline(__always)
    private func put(_ text: StaticString, at cursor: inout UnsafeMutablePointer<UInt8>) {
        cursor.update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        cursor += text.utf8CodeUnitCount
    }

    @inline(__always)
    private func put(_ bytes: UnsafeBufferPointer<UInt8>, at cursor: inout UnsafeMutablePointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        cursor.update(from: base, count: bytes.count)
        cursor += bytes.count
    }
}
