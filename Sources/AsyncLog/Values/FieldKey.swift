// The name of a field.

/// The name of a field. A string literal costs nothing; `FieldKey(text)` makes a key from a string at run time.
///
/// Formatters keep keys as they are and escape what their format cannot hold, so any text is allowed. The custom is
/// `snake_case` or dotted words.
public struct FieldKey: ExpressibleByStringLiteral, Sendable {
    @usableFromInline let header: KeyHeader
    /// The address of a literal.
    @usableFromInline let literal: UInt
    /// The key, if it is not a literal. It is one reference, so that releasing a key that has none costs little.
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
