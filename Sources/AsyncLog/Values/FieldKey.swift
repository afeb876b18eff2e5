// The name of a field.

/// What a field is called. Written as a string literal it costs nothing; `FieldKey(text)` makes one from a string at run time.
///
/// Formatters keep keys as they are and escape what must be escaped, so any text will do; the custom is `snake_case` or dotted words.
public struct FieldKey: ExpressibleByStringLiteral, Sendable {
    @usableFromInline
    enum Storage: Sendable {
        case literal(StaticString)
        case dynamic(String)
    }
    @usableFromInline let storage: Storage

    @inlinable
    public init(stringLiteral value: StaticString) { storage = .literal(value) }

    /// A key that is known at run time only.
    public init(_ text: String) { storage = .dynamic(text) }
}
