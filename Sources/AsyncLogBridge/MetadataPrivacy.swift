// Privacy of metadata: our `Privacy` as one of swift-log's attributes.
//
// swift-log's attributes classify values and enforce nothing. Here they are enforced: private values are not in the
// record that handlers get.
import AsyncLog
import Logging

/// In metadata, as an attribute of a value:
///
///     logger.info(
///         "logged in",
///         metadata: ["user": "\(user.email, privacy: .hashed)", "token": "\(token, privacy: .private)"])
extension Privacy: Logging.Logger.MetadataValueAttributes.Attribute {
    public init?(rawValue: Int64) {
        switch rawValue {
        case 0: self = .public
        case 1: self = .hashed
        case 2: self = .private
        default: return nil
        }
    }

    /// Increases with strictness.
    public var rawValue: Int64 {
        switch self {
        case .public: 0
        case .hashed: 1
        case .private: 2
        }
    }

    /// The stricter of two that concern the same value.
    func stricter(_ other: Privacy) -> Privacy { rawValue >= other.rawValue ? self : other }
}

extension Logging.Logger.MetadataValue.StringInterpolation {
    /// A piece of a value that not every reader may see. Attributes belong to whole values: the strictest piece decides
    /// about the whole value.
    public mutating func appendInterpolation<Value>(_ value: Value, privacy: Privacy) {
        appendInterpolation(value, attributes: { $0[Privacy.self] = privacy.stricter($0[Privacy.self] ?? .public) })
    }
}
