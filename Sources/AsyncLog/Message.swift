// The message of a record: a string literal, with or without interpolation, that is not made into a `String`.
//
// A plain literal is a pointer into the program. Interpolated pieces are encoded straight into the thread's scratch memory while the
// logger is being called, and formatted from there; nothing is allocated. A message that is made elsewhere (in a variable, ahead
// of the call) cannot live in the scratch and carries its own bytes.
import EventLoop

/// What a logger is asked to say.
///
///     logger.info("user \(id) logged in")
///
/// Messages are made by writing a string literal where one is wanted; the interpolated values are evaluated only if the record is going to be
/// written. For a message that is in a `String` already, write `"\(text)"`.
public struct LogMessage: ExpressibleByStringInterpolation, Sendable {
    private enum Storage: Sendable {
        case literal(StaticString)
        case scratch(start: Int, count: Int, epoch: UInt64)
        case own([UInt8])
    }
    private let storage: Storage

    public init(stringLiteral value: StaticString) { storage = .literal(value) }

    public init(stringInterpolation: StringInterpolation) {
        if let own = stringInterpolation.own {
            storage = .own(own)
        } else {
            let (scratch, start) = (stringInterpolation.scratch, stringInterpolation.start)
            storage = .scratch(start: start, count: scratch.count - start, epoch: scratch.epoch)
        }
    }

    /// The message's UTF-8, during the call for which the message was made.
    func withBytes<Result>(_ scratch: Scratch, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        switch storage {
        case .literal(let literal): return body(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
        case .own(let bytes): return bytes.withUnsafeBufferPointer(body)
        case .scratch(let start, let count, let epoch):
            precondition(epoch == scratch.epoch && start + count <= scratch.count, "a LogMessage was kept beyond the call for which it was made")
            return body(scratch.bytes(from: start, count: count))
        }
    }

    /// Collects the pieces of an interpolated message.
    public struct StringInterpolation: StringInterpolationProtocol {
        let scratch: Scratch
        let start: Int
        /// The bytes, if no logger is being called and the scratch is not to be used.
        var own: [UInt8]?

        public init(literalCapacity: Int, interpolationCount: Int) {
            scratch = Scratch.current
            start = scratch.count
            if !scratch.isInUse { own = [] }
        }

        public mutating func appendLiteral(_ literal: StaticString) {
            append(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
        }

        public mutating func appendInterpolation(_ value: String) {
            var value = value
            value.withUTF8 { append($0) }
        }

        public mutating func appendInterpolation(_ value: StaticString) { appendLiteral(value) }

        public mutating func appendInterpolation(_ value: some FixedWidthInteger) {
            if let small = Int(exactly: value) {
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Decimal.maximumLength) { digits in
                    let length = Decimal.write(small, to: digits.baseAddress!)
                    append(UnsafeBufferPointer(start: digits.baseAddress!, count: length))
                }
            } else {
                appendInterpolation(String(value))
            }
        }

        public mutating func appendInterpolation(_ value: Bool) { appendLiteral(value ? "true" : "false") }

        /// Anything else, as `String(describing:)` has it.
        public mutating func appendInterpolation<Value>(_ value: Value) { appendInterpolation(String(describing: value)) }

        private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
            if own == nil { scratch.append(bytes) } else { own!.append(contentsOf: bytes) }
        }
    }
}
