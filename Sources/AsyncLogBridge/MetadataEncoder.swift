// From swift-log's metadata to typed fields.
//
// swift-log's values are strings, `CustomStringConvertible` values, dictionaries and arrays. A
// `CustomStringConvertible` value is encoded by its type: a number stays a number. A value with a private attribute is
// made unreadable here, on the thread that logs: no handler sees it.
import AsyncLog
import Logging

struct MetadataEncoder {
    /// The privacy that attributes of other packages ask for.
    let privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)?

    /// Adds the metadata, in the order of its keys.
    func encode(_ metadata: Logging.Logger.Metadata, to fields: inout FieldWriter) {
        withUnsafeTemporaryAllocation(of: SortedField.self, capacity: metadata.count) { memory in
            var order = SortedFields(memory)
            // By indices: an iterator would copy each element twice.
            var index = metadata.startIndex
            while index != metadata.endIndex {
                let key = metadata.keys[index]
                switch metadata.values[index] {
                case .string(let text): fields.append(key, text, &order)
                case .stringConvertible(let convertible):
                    if let number = ExistentialContainer.integer(convertible) {
                        fields.append(key, number, &order)
                    } else {
                        fields.append(key, &order) { encode(convertible, to: &$0) }
                    }
                case .dictionary(let inner): fields.append(key, &order) { $0.encodeObject { encode(inner, to: &$0) } }
                case .array(let values): fields.append(key, &order) { encode(values, to: &$0) }
                }
                metadata.formIndex(after: &index)
            }
            fields.settle(order)
        }
    }

    fileprivate func encode(_ value: Logging.Logger.MetadataValue, to encoder: inout ValueEncoder) {
        switch value {
        case .string(let text): encoder.encode(text)
        case .stringConvertible(let convertible): encode(convertible, to: &encoder)
        case .dictionary(let metadata): encoder.encodeObject { encode(metadata, to: &$0) }
        case .array(let values): encode(values, to: &encoder)
        }
    }

    private func encode(_ values: [Logging.Logger.MetadataValue], to encoder: inout ValueEncoder) {
        encoder.encodeArray { for value in values { $0.append(TypedValue(value: value, encoder: self)) } }
    }

    private func encode(_ convertible: any CustomStringConvertible & Sendable, to encoder: inout ValueEncoder) {
        if type(of: convertible) == MetadataEncoder.attributed {
            encode(
                convertible.description, Logging.Logger.MetadataValue.stringConvertible(convertible).attributes,
                to: &encoder)
        } else if let value = convertible as? any LogValue {
            value.encode(to: &encoder)
        } else {
            encoder.encode(convertible.description)
        }
    }

    /// The type in which swift-log hides attributes.
    private static let attributed: any Any.Type = {
        guard case .stringConvertible(let carrier) = Logging.Logger.MetadataValue.attributed("", attributes: []) else {
            return Never.self
        }
        return type(of: carrier)
    }()

    private func encode(
        _ text: String, _ attributes: Logging.Logger.MetadataValueAttributes, to encoder: inout ValueEncoder
    ) {
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

extension ExistentialContainer {
    /// The value, if it is an `Int`. `Sendable` has no witness table, so the layout is that of a protocol type with
    /// one.
    @inline(__always)
    fileprivate static func integer(_ value: borrowing any CustomStringConvertible & Sendable) -> Int? {
        withUnsafePointer(to: value) { pointer in
            let container = UnsafeRawPointer(pointer).assumingMemoryBound(to: ExistentialContainer.self)
            return container.pointee.type == Int.self ? container.pointee.words.0 : nil
        }
    }
}
