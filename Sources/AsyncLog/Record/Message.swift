// The message of a record: a string literal, with or without interpolation, that never becomes a `String`.
//
// A plain literal is a pointer into the program. The logger encodes interpolated pieces straight into the thread's
// scratch memory during the call, and formats them from there; nothing is allocated. A message that is made elsewhere
// (in a variable, ahead of the call) cannot be in the scratch and carries its own bytes.
import EventLoop

/// The message of a record.
///
///     logger.info("user \(id) logged in")
///     logger.debug("\(address, format: .hex(prefix: true)) took \(ms, format: .fixed(2)) ms")
///     logger.debug("token \(token, privacy: .private)")
///
/// A message is written as a string literal in the logger's call. The interpolated values are evaluated only if the
/// record passes the level. For a message that is a `String` already, write `"\(text)"`.
public struct LogMessage: ExpressibleByStringInterpolation, Sendable {
    // Flat, so that a message is made and passed in registers.
    private let literal: UInt
    /// Where the message is in the scratch, if it is there.
    private let start: Int
    private let count: Int
    /// The number of the record for which the message was made, if it is in the scratch.
    private let serial: UInt64
    /// The message's own bytes, if no record is being built, or the message may be needed longer than the record.
    private let own: [UInt8]?

    /// A message without values: nothing is copied.
    @inlinable
    public init(stringLiteral value: StaticString) {
        self.init(literal: value.utf8Start, count: value.utf8CodeUnitCount)
    }

    @usableFromInline
    init(literal: UnsafePointer<UInt8>, count: Int) {
        self.literal = UInt(bitPattern: literal)
        self.count = count
        (start, serial, own) = (0, 0, nil)
    }

    /// A message that is elsewhere, and stays there during the call.
    @inline(__always)
    init(_ text: Text) {
        let text = text.isEmpty ? Text("") : text
        self.init(literal: text.bytes.baseAddress!, count: text.bytes.count)
    }

    /// A message of pieces in the scratch of the calling thread. Valid during the logger's call.
    public init(stringInterpolation: StringInterpolation) {
        literal = 0
        own = stringInterpolation.own
        guard own == nil else {
            // The task may have moved to another thread, which has a scratch of its own.
            (start, count, serial) = (0, 0, 0)
            return
        }
        start = stringInterpolation.start
        count = stringInterpolation.scratch.count &- start
        serial = stringInterpolation.scratch.serial
    }

    /// The message's UTF-8, during the call for which the message was made.
    @inline(__always)
    func withBytes<Result>(_ scratch: Scratch, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        if let literal = UnsafePointer<UInt8>(bitPattern: literal) {
            return body(UnsafeBufferPointer(start: literal, count: count))
        }
        if let own { return own.withUnsafeBufferPointer(body) }
        precondition(
            scratch.isAlive(serial) && start + count <= scratch.count,
            "a LogMessage must not be used after the call for which it was made")
        return body(scratch.bytes(from: start, count: count))
    }

    /// Collects the pieces of an interpolated message.
    public struct StringInterpolation: StringInterpolationProtocol {
        @usableFromInline let scratch: Scratch
        let start: Int
        /// The bytes, if the scratch does not keep what is appended now.
        @usableFromInline var own: [UInt8]?

        /// Begins a message. The compiler calls it.
        public init(literalCapacity: Int, interpolationCount: Int) {
            scratch = Scratch.current
            start = scratch.count
            own = scratch.keepsWhatIsAppended ? nil : []
        }

        // MARK: Pieces

        // Inlined into the caller, where the literal's length is a constant: a few stores remain.
        /// Appends the text between the values. The compiler calls it.
        @inlinable
        @inline(__always)
        public mutating func appendLiteral(_ literal: StaticString) {
            let count = literal.utf8CodeUnitCount
            if count == 0 { return }  // usually the text behind the last value
            guard own == nil, count <= 32, scratch.hasRoom(count) else { return appendLong(literal.utf8Start, count) }
            Memory.copyShort(literal.utf8Start, count, to: scratch.end)
            scratch.commit(count)
        }

        // Inlined, so that the string's references are not counted.
        /// A text, unchanged; the formatter escapes the characters that its format cannot hold.
        @inlinable
        public mutating func appendInterpolation(_ value: String) {
            if value.utf8.withContiguousStorageIfAvailable({ append($0) }) == nil { append(value) }
        }

        /// A text, unchanged.
        public mutating func appendInterpolation(_ value: Substring) {
            var value = value
            value.withUTF8 { append($0) }
        }

        /// A text, unchanged.
        @inlinable
        public mutating func appendInterpolation(_ value: StaticString) { appendLiteral(value) }

        // Inlined into the caller, where the type is known: one call remains.
        /// A whole number, in decimal digits.
        @inlinable
        @inline(__always)
        public mutating func appendInterpolation(_ value: some FixedWidthInteger) {
            if let small = Int64(exactly: value) {
                append(small)
            } else if let large = UInt64(exactly: value) {
                append(large)
            } else {
                append(String(value))
            }
        }

        /// The shortest text that reads back as the same number.
        public mutating func appendInterpolation(_ value: Double) {
            appendPiece(FloatText.maximumLength) { FloatText.write(value, to: $0) }
        }

        /// The shortest text that reads back as the same number.
        public mutating func appendInterpolation(_ value: Float) {
            appendPiece(FloatText.maximumLength) { FloatText.write(value, to: $0) }
        }

        /// `true` or `false`
        public mutating func appendInterpolation(_ value: Bool) { append(value ? "true" : "false" as StaticString) }

        /// `1.5ms`
        public mutating func appendInterpolation(_ value: Duration) {
            appendPiece(DurationText.maximumLength) { DurationText.write(value.wholeNanoseconds, to: $0) }
        }

        /// Any other value, as `String(describing:)` writes it.
        public mutating func appendInterpolation<Value>(_ value: Value) { append(String(describing: value)) }

        // MARK: Pieces with a layout

        /// A whole number with a layout: `\(address, format: .hex, align: .right(16))`.
        public mutating func appendInterpolation(
            _ value: some FixedWidthInteger, format: IntegerFormat, align: TextAlignment = .none,
            privacy: Privacy = .public
        ) {
            laidOut(align, privacy) { piece in
                guard let magnitude = UInt64(exactly: value.magnitude) else {
                    return piece.append(String(value, radix: format.radix))
                }
                if value < 0 { piece.append("-") }
                piece.append(format.prefix)
                piece.appendPiece(max(64, format.minimumDigits)) { memory in
                    var count = 0
                    let length = format.digits(magnitude) { digit in
                        memory[count] = digit
                        count += 1
                    }
                    var digits = UnsafeMutableBufferPointer(start: memory, count: length)
                    digits.reverse()
                    return length
                }
            }
        }

        /// A number with a layout: `\(ratio, format: .fixed(2))`.
        public mutating func appendInterpolation(
            _ value: Double, format: FloatFormat, align: TextAlignment = .none, privacy: Privacy = .public
        ) {
            laidOut(align, privacy) { piece in
                guard let decimals = format.decimals else { return piece.appendInterpolation(value) }
                piece.appendPiece(512) { memory in
                    var count = 0
                    FloatText.writeFixed(value, decimals: decimals) { digit in
                        memory[count] = digit
                        count += 1
                    }
                    return count
                }
            }
        }

        /// A number with a layout.
        public mutating func appendInterpolation(
            _ value: Float, format: FloatFormat, align: TextAlignment = .none, privacy: Privacy = .public
        ) {
            appendInterpolation(Double(value), format: format, align: align, privacy: privacy)
        }

        /// Any value, as `String(describing:)` writes it, or a mark if it is private: `\(token, privacy: .private)`.
        public mutating func appendInterpolation<Value>(_ value: Value, align: TextAlignment = .none, privacy: Privacy)
        {
            laidOut(align, privacy) { $0.append(String(describing: value)) }
        }

        /// Any value, as `String(describing:)` writes it, with at least this width.
        public mutating func appendInterpolation<Value>(_ value: Value, align: TextAlignment) {
            laidOut(align, .public) { $0.append(String(describing: value)) }
        }

        // MARK: Implementation

        private mutating func laidOut(
            _ align: TextAlignment, _ privacy: Privacy, _ body: (inout StringInterpolation) -> Void
        ) {
            let begin = count
            body(&self)
            if case .private = privacy {
                cut(to: begin)
                append(Redaction.text)
            } else if case .hashed = privacy {
                let hash = withBytes(from: begin, Redaction.hash)
                cut(to: begin)
                append("<private \(String(hash, radix: 16))>" as String)
            }
            guard align.columns > 0 else { return }
            let width = withBytes(from: begin) { bytes in bytes.count { $0 & 0xC0 != 0x80 } }
            for _ in 0..<max(0, align.columns - width) { append(" ") }
            if align.isRight { rotate(from: begin, by: max(0, align.columns - width)) }
        }

        private var count: Int { own?.count ?? scratch.count }

        private mutating func cut(to count: Int) {
            if own == nil { scratch.rewind(to: count) } else { own!.removeSubrange(count...) }
        }

        private func withBytes<Result>(from begin: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
            if let own { return own[begin...].withUnsafeBufferPointer(body) }
            return body(scratch.bytes(from: begin, count: scratch.count - begin))
        }

        /// Brings the last `distance` bytes to the front.
        private mutating func rotate(from begin: Int, by distance: Int) {
            func rotate(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
                var bytes = bytes
                let split = bytes.count - distance
                bytes[..<split].reverse()
                bytes[split...].reverse()
                bytes.reverse()
            }
            if own == nil {
                rotate(UnsafeMutableBufferPointer(start: scratch.pointer(at: begin), count: scratch.count - begin))
            } else {
                own!.withUnsafeMutableBufferPointer { rotate(UnsafeMutableBufferPointer(rebasing: $0[begin...])) }
            }
        }

        @usableFromInline
        mutating func append(_ value: String) {
            value.utf8Span.span.withUnsafeBufferPointer { append($0) }
        }

        private mutating func append(_ value: StaticString) { append(value.utf8Start, value.utf8CodeUnitCount) }

        @usableFromInline
        mutating func append(_ text: UnsafePointer<UInt8>, _ count: Int) {
            guard own == nil, count <= 32, scratch.hasRoom(count) else { return appendLong(text, count) }
            Memory.copyShort(text, count, to: scratch.end)
            scratch.commit(count)
        }

        @usableFromInline
        @inline(never)
        mutating func appendLong(_ text: UnsafePointer<UInt8>, _ count: Int) {
            let bytes = UnsafeBufferPointer(start: text, count: count)
            if own == nil { scratch.append(bytes) } else { own!.append(contentsOf: bytes) }
        }

        @usableFromInline
        mutating func append(_ value: Int64) {
            guard own == nil, value >= 0, scratch.hasRoom(Decimal.maximumLength) else { return appendOther(value) }
            scratch.commit(Decimal.write(UInt(value), to: scratch.end))
        }

        @inline(never)
        private mutating func appendOther(_ value: Int64) {
            appendPiece(Decimal.maximumLength) { Decimal.write(Int(value), to: $0) }
        }

        @usableFromInline
        mutating func append(_ value: UInt64) {
            appendPiece(Decimal.maximumLength) { Decimal.write(UInt(value), to: $0) }
        }

        @usableFromInline
        mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
            if let base = bytes.baseAddress { append(base, bytes.count) }
        }

        /// `body` writes at most `size` bytes and returns how many.
        @inline(__always)
        private mutating func appendPiece(_ size: Int, _ body: (UnsafeMutablePointer<UInt8>) -> Int) {
            if own == nil {
                let length = body(scratch.reserve(size))
                scratch.commit(length)
            } else {
                let piece = [UInt8](unsafeUninitializedCapacity: size) { $1 = body($0.baseAddress!) }
                own!.append(contentsOf: piece)
            }
        }
    }
}
