// How records in a stream are separated.
import Glibc

/// How one record in a stream is separated from the next.
package enum FrameBounds: Sendable {
    /// By a line feed.
    case newline
    /// By its length: digits, a blank, as many bytes.
    case octetCounting

    /// The lengths of the whole frames at the beginning of `bytes`. It ends before what cannot be a frame with a
    /// record's text in it: damage, most of all.
    package func frames(_ bytes: UnsafeRawBufferPointer) -> [Int] {
        var lengths: [Int] = []
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            guard let length = length(rest), Self.isText(UnsafeRawBufferPointer(rebasing: rest[..<length])) else {
                break
            }
            lengths.append(length)
            start += length
        }
        return lengths
    }

    private func length(_ rest: UnsafeRawBufferPointer) -> Int? {
        switch self {
        case .newline:
            guard let end = memchr(rest.baseAddress!, 10, rest.count) else { return nil }
            return UnsafeRawPointer(end) - rest.baseAddress! + 1
        case .octetCounting:
            let digits = rest.prefix(9).prefix { (48...57).contains($0) }.count
            guard digits > 0, digits < rest.count, rest[digits] == 32 else { return nil }
            let length = digits + 1 + rest[..<digits].reduce(0) { $0 * 10 + Int($1 - 48) }
            return length <= rest.count ? length : nil
        }
    }

    /// UTF-8 with no control characters but those that formats use: tabs, line ends, and the ESC of colours.
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D, 0x1B].contains($0) }
            && String(validating: bytes, as: UTF8.self) != nil
    }
}
