// How records are told apart on a stream: what is put before or behind each.
import AsyncFD

/// How a receiver tells where a record ends.
public enum Framing: Sendable, Equatable {
    /// A line feed behind each record that does not end with one. For formats without line feeds within records: all
    /// text formats of this library.
    case newline
    /// The record's length in bytes, a space, the record (RFC 6587, section 3.4.1). For any format.
    case octetCounting
    /// Nothing: for datagrams, which have bounds, and for formats that say themselves where they end (MessagePack).
    case none

    /// Frames what has been laid out in `line`.
    @inline(__always)
    func frame(_ line: inout LineBuffer) {
        switch self {
        case .none: break
        case .newline: if line.bytes.last != UInt8(ascii: "\n") { line.append(UInt8(ascii: "\n")) }
        case .octetCounting: line.prefixLength()
        }
    }
}

extension LineBuffer {
    /// Puts the length and a space in front of what has been written.
    fileprivate mutating func prefixLength() {
        let length = count
        ensure(Decimal.maximumLength + 1)
        let end = cursor
        var digits = Decimal.write(length, to: end)
        end[digits] = UInt8(ascii: " ")
        digits += 1
        cursor = end + digits
        // The digits stand behind the record: turn the two around.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: digits) { memory in
            let prefix = memory.baseAddress!
            prefix.update(from: end, count: digits)
            overwrite(0) { start in
                (start + digits).update(from: start, count: length)
                start.update(from: prefix, count: digits)
            }
        }
    }
}

extension Framing {
    var bounds: FrameBounds? {
        switch self {
        case .newline: .newline
        case .octetCounting: .octetCounting
        case .none: nil
        }
    }
}
