// The name of a field.

/// What a field is called. Written as a string literal it costs nothing; `FieldKey(text)` makes one from a string at run time.
///
/// Formatters keep keys as they are and escape what must be escaped, so any text will do; the custom is `snake_case` or dotted words.
public struct FieldKey: ExpressibleByStringLiteral, Sendable {
    @usableFromInline let header: KeyHeader
    /// Where a literal stands.
    @usableFromInline let literal: UInt
    /// The key, if it is not a literal.
    @usableFromInline let text: String?

    @inlinable
    @inline(__always)
    public init(stringLiteral value: StaticString) {
        let bytes = UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount)
        self.init(header: KeyHeader(bytes, isStatic: true), literal: UInt(bitPattern: value.utf8Start), text: nil)
    }

    /// A key that is known at run time only.
    public init(_ text: String) {
        var text = text
        let header = text.withUTF8 { KeyHeader($0, isStatic: false) }
        self.init(header: header, literal: 0, text: text)
    }

    @inlinable
    @inline(__always)
    init(header: KeyHeader, literal: UInt, text: String?) {
        self.header = header
        self.literal = literal
        self.text = text
    }
}
