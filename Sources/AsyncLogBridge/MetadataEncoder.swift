// From swift-log's metadata to typed fields.
//
// swift-log's values are strings, things that can be described, dictionaries and arrays. What can be described is encoded by its type: a number stays
// a number. Whatever carries an attribute that says private is made unreadable here, on the thread that logs: no handler sees it.
import AsyncLog
import Logging

struct MetadataEncoder {
    /// What other attributes than ours say about privacy.
    let privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)?

    /// Adds the metadata, in the order of its keys.
    func encode(_ metadata: Logging.Logger.Metadata, to fields: inout FieldWriter) {
        let begin = fields.position
        for (key, value) in metadata { fields.value(FieldKey(key)) { encode(value, to: &$0) } }
        fields.sort(since: begin, count: metadata.count)
    }

    func encode(_ value: Logging.Logger.MetadataValue, to encoder: inout ValueEncoder) {
        switch value {
        case .string(let text): encoder.encode(text)
        case .stringConvertible(let convertible):
            if type(of: convertible) == MetadataEncoder.attributed {
                encode(convertible.description, value.attributes, to: &encoder)
            } else {
                encode(convertible, to: &encoder)
            }
        case .dictionary(let metadata): encoder.encodeObject { encode(metadata, to: &$0) }
        case .array(let values): encoder.encodeArray { for value in values { $0.append(TypedValue(value: value, encoder: self)) } }
        }
    }

    /// The most frequent types without looking for their conformances.
    private func encode<Value: CustomStringConvertible>(_ value: Value, to encoder: inout ValueEncoder) {
        if Value.self == Int.self {
            encoder.encode(unsafeBitCast(value, to: Int.self))
        } else if Value.self == Double.self {
            encoder.encode(unsafeBitCast(value, to: Double.self))
        } else if Value.self == Bool.self {
            encoder.encode(unsafeBitCast(value, to: Bool.self))
        } else if let value = value as? any LogValue {
            value.encode(to: &encoder)
        } else {
            encoder.encode(value.description)
        }
    }

    /// The type in which swift-log hides attributes.
    private static let attributed: any Any.Type = {
        guard case .stringConvertible(let carrier) = Logging.Logger.MetadataValue.attributed("", attributes: []) else { return Never.self }
        return type(of: carrier)
    }()

    private func encode(_ text: String, _ attributes: Logging.Logger.MetadataValueAttributes, to encoder: inout ValueEncoder) {
        let (ours, theirs) = (attributes[Privacy.self] ?? .public, privacy?(attributes) ?? .public)
        switch ours.stricter(theirs) {
        case .public: encoder.encode(text)
        case .private: LoggedPrivately<String>.private(text).encode(to: &encoder)
        case .hashed: LoggedPrivately<String>.hashed(text).encode(to: &encoder)
        }
    }
}

/// An element of a list.
private struct TypedValue: LogValue {
    let value: Logging.Logger.MetadataValue
    let encoder: MetadataEncoder

    func encode(to valueEncoder: inout ValueEncoder) { encoder.encode(value, to: &valueEncoder) }
}
