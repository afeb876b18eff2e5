// Who may read a value of metadata: our `Privacy` as one of swift-log's attributes.
//
// swift-log's attributes classify and enforce nothing. Here they are enforced: what is private is not in the record that handlers get.
import AsyncLog
import Logging

/// In metadata, as an attribute of a value:
///
///     logger.info("logged in", metadata: ["user": "\(user.email, privacy: .hashed)", "token": "\(token, privacy: .private)"])
extension Privacy: Logging.Logger.MetadataValueAttributes.Attribute {
    public init?(rawValue: Int64) {
        switch rawValue {
        case 0: self = .public
        case 1: self = .hashed
        case 2: self = .private
        default: return nil
        }
    }

    /// Grows with strictness.
    public var rawValue: Int64 {
        switch self {
        case .public: 0
        case .hashed: 1
        case .private: 2
        }
    }

    /// Of two that concern the same value, the one that lets fewer people read it.
    func stricter(_ other: Privacy) -> Privacy { rawValue >= other.rawValue ? self : other }
}

extension Logging.Logger.MetadataValue.StringInterpolation {
    /// A piece of a value that not everybody may read. Attributes belong to whole values: the strictest of its pieces decides about all of it.
    public mutating func appendInterpolation<Value>(_ value: Value, privacy: Privacy) {
        appendInterpolation(value, attributes: { $0[Privacy.self] = privacy.stricter($0[Privacy.self] ?? .public) })
    }
}
