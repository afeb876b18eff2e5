// An error as a value: its type, its message, and its cause.

/// An error that was caused by another one. For an error that does not conform, the library looks for a stored property
/// `cause`, `underlyingError` or `underlying` that holds an error.
public protocol CausedError: Error {
    var cause: (any Error)? { get }
}

/// An error, logged as an object with `type`, `message` and, if there is one, `cause`.
public struct LoggedError: LogValue, Sendable {
    let error: any Error

    /// The longest chain of causes that is followed: an error that is its own cause would never end.
    private static let longestChain = 16

    /// Any error; its message is evaluated when the record is made.
    public init(_ error: any Error) { self.error = error }

    public func encode(to encoder: inout ValueEncoder) { encode(error, depth: 1, to: &encoder) }

    private func encode(_ error: any Error, depth: Int, to encoder: inout ValueEncoder) {
        encoder.encodeObject(.error) { fields in
            fields["type"] = String(reflecting: type(of: error))
            fields["message"] = String(describing: error)
            guard depth < LoggedError.longestChain, let cause = LoggedError.cause(of: error) else { return }
            fields.value("cause") { encode(cause, depth: depth + 1, to: &$0) }
        }
    }

    /// Reflection is slow, but errors are rare.
    private static func cause(of error: any Error) -> (any Error)? {
        if let error = error as? any CausedError { return error.cause }
        for child in Mirror(reflecting: error).children {
            guard let label = child.label, ["cause", "underlyingError", "underlying"].contains(label) else { continue }
            if let cause = child.value as? any Error { return cause }
        }
        return nil
    }
}
