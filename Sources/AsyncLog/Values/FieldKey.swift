// The name of a field.

/// What a field is called. Written as a string literal it costs nothing; `FieldKey(text)` makes one from a string at run time.
///
/// Formatters keep keys as they are and escape what must be escaped, so any text will do; the custom is `snake_case` or dotted words.
public struct FieldKey: ExpressibleByStringLiteral, Sendable {
    @usableFromInline let header: KeyHeader
    /// Where a literal stands.
    @usableFromInline let literal: UInt
    /// The key, if it is not a literal. One reference, so that it costs little to let go of it where there is none.
    @usableFromInline let own: [UInt8]?

    @inlinable
    @inline(__always)
    public init(stringLiteral value: StaticString) {
        let bytes = UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount)
        self.init(header: KeyHeader(bytes, isStatic: true), literal: UInt(bitPattern: value.utf8Start), own: nil)
    }

    /// A key that is known at run time only.
    public init(_ text: String) {
        let own = Array(text.utf8)
        self.init(header: own.withUnsafeBufferPointer { KeyHeader($0, isStatic: false) }, literal: 0, own: own)
    }

    @inlinable
    @inline(__always)
    init(header: KeyHeader, literal: UInt, own: [UInt8]?) {
        self.header = header
        self.literal = literal
        self.own = own
    }
}
