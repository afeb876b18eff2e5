// Values that must not be read in the log: the mark that stands in their place.

/// Who may read an interpolated value or a field.
public enum Privacy: Sendable {
    /// Everybody who reads the log.
    case `public`
    /// Nobody: the log says `<private>`.
    case `private`
    /// Nobody; but equal values have equal marks (`<private 5f3a…>`) for as long as the process lives, so that they can be told apart.
    case hashed
}

/// The mark in place of a value that must not be read.
enum Redaction {
    static let text: StaticString = "<private>"

    /// A number that says nothing about the text without this process' seed (SipHash, from the standard library).
    static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// A field whose value must not be read: what `.private(…)` and `.hashed(…)` return.
public struct LoggedPrivately<Value: LogValue>: LogValue {
    let value: Value
    let privacy: Privacy

    public func encode(to encoder: inout ValueEncoder) {
        guard case .hashed = privacy else { return encoder.encode(Redaction.text) }
        encoder.encodeRedacted(value)
    }
}

extension LogValue {
    /// A value that stays out of the log: `<private>` stands in its place.
    public static func `private`<Value>(_ value: Value) -> LoggedPrivately<Value> where Self == LoggedPrivately<Value> {
        LoggedPrivately(value: value, privacy: .private)
    }

    /// A value that stays out of the log, but equal values have equal marks.
    public static func hashed<Value>(_ value: Value) -> LoggedPrivately<Value> where Self == LoggedPrivately<Value> {
        LoggedPrivately(value: value, privacy: .hashed)
    }
}
