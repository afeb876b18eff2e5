// How records in a stream are told from each other.
import Glibc

/// How one record in a stream is told from the next.
package enum FrameBounds: Sendable {
    /// By a line feed.
    case newline
    /// By its length: digits, a blank, as many bytes.
    case octetCounting

    /// The lengths of the whole frames at the beginning of `bytes`. It ends before what cannot be a frame: a line with a NUL, which no text has, or a
    /// length that is none.
    package func frames(_ bytes: UnsafeRawBufferPointer) -> [Int] {
        var lengths: [Int] = []
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            guard let length = length(rest) else { break }
            lengths.append(length)
            start += length
        }
        return lengths
    }

    private func length(_ rest: UnsafeRawBufferPointer) -> Int? {
        switch self {
        case .newline:
            guard let end = memchr(rest.baseAddress!, 10, rest.count) else { return nil }
            let length = UnsafeRawPointer(end) - rest.baseAddress! + 1
            return memchr(rest.baseAddress!, 0, length) == nil ? length : nil
        case .octetCounting:
            let digits = rest.prefix(9).prefix { (48...57).contains($0) }.count
            guard digits > 0, digits < rest.count, rest[digits] == 32 else { return nil }
            let length = digits + 1 + rest[..<digits].reduce(0) { $0 * 10 + Int($1 - 48) }
            return length <= rest.count ? length : nil
        }
    }
}
