// Values that must not be readable in the log: a mark replaces them.

/// Whether a reader of the log may see an interpolated value or a field.
public enum Privacy: Sendable {
    /// Every reader of the log sees the value.
    case `public`
    /// No reader sees the value: the log has `<private>` in its place.
    case `private`
    /// No reader sees the value, but equal values have equal marks (`<private 5f3a…>`) for as long as the process
    /// lives, so that a reader can tell them apart.
    case hashed
}

/// The mark that replaces a private value.
enum Redaction {
    static let text: StaticString = "<private>"

    /// A number that reveals nothing about the text without this process's seed (SipHash, from the standard library).
    static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(bytes: UnsafeRawBufferPointer(bytes))
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// A field whose value a mark replaces: `.private(…)` and `.hashed(…)` return it.
public struct LoggedPrivately<Value: LogValue>: LogValue {
    let value: Value
    let privacy: Privacy

    public func encode(to encoder: inout ValueEncoder) {
        guard case .hashed = privacy else { return encoder.encode(Redaction.text) }
        encoder.encodeRedacted(value)
    }
}

extension LogValue {
    /// A value that `<private>` replaces in the log.
    public static func `private`<Value>(_ value: Value) -> LoggedPrivately<Value> where Self == LoggedPrivately<Value> {
        LoggedPrivately(value: value, privacy: .private)
    }

    /// A value that a mark replaces in the log; equal values have equal marks.
    public static func hashed<Value>(_ value: Value) -> LoggedPrivately<Value> where Self == LoggedPrivately<Value> {
        LoggedPrivately(value: value, privacy: .hashed)
    }
}
