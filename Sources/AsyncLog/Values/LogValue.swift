// The values of fields: the protocol, and the types that come with it.
import EventLoop

/// A type whose values are logged with their type: a number stays a number, an object stays an object, in every format.
///
///     extension User: LogValue {
///         func encode(to encoder: inout ValueEncoder) {
///             encoder.encodeObject { $0["id"] = id; $0["name"] = name }
///         }
///     }
///
/// A type with a `description`, or with a raw value that can be logged, only has to declare the conformance:
///
///     extension Color: LogValue {}
///
/// `encode` runs on the thread that logs, during the logger's call, and only if the record passes the level.
public protocol LogValue {
    func encode(to encoder: inout ValueEncoder)
}

extension LogValue where Self: CustomStringConvertible {
    public func encode(to encoder: inout ValueEncoder) { encoder.encode(description) }
}

extension LogValue where Self: RawRepresentable, RawValue: LogValue {
    public func encode(to encoder: inout ValueEncoder) { rawValue.encode(to: &encoder) }
}

extension LogValue where Self: RawRepresentable & CustomStringConvertible, RawValue: LogValue {
    public func encode(to encoder: inout ValueEncoder) { rawValue.encode(to: &encoder) }
}

extension Int: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Int8: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Int16: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Int32: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Int64: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension UInt: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension UInt8: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension UInt16: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension UInt32: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension UInt64: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Double: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Float: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Bool: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension String: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Substring: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension StaticString: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }
extension Duration: LogValue { public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) } }

extension Optional: LogValue where Wrapped: LogValue {
    /// The value, or null.
    public func encode(to encoder: inout ValueEncoder) {
        if let self { self.encode(to: &encoder) } else { encoder.encodeNull() }
    }
}

extension Array: LogValue where Element: LogValue {
    public func encode(to encoder: inout ValueEncoder) {
        encoder.encodeArray { for element in self { $0.append(element) } }
    }
}

extension Set: LogValue where Element: LogValue & Comparable {
    /// A list in ascending order, so that equal sets look alike.
    public func encode(to encoder: inout ValueEncoder) { sorted().encode(to: &encoder) }
}

extension Dictionary: LogValue where Key == String, Value: LogValue {
    /// An object whose keys are in ascending order, so that equal dictionaries look alike.
    public func encode(to encoder: inout ValueEncoder) {
        encoder.encodeObject { for key in keys.sorted() { $0[FieldKey(key)] = self[key] } }
    }
}

// MARK: Values beyond the types of the standard library

/// A moment of wall-clock time, for fields.
public struct WallTime: LogValue, Sendable, Hashable, Comparable {
    /// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    public var nanoseconds: Int64

    /// - Parameter nanoseconds: since 1970-01-01T00:00:00Z, leap seconds not counted.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// - Parameter seconds: since 1970-01-01T00:00:00Z, like Foundation's `timeIntervalSince1970`. A moment that an
    ///   Int64 of nanoseconds cannot hold (before 1677, after 2262) becomes the nearest one that it can.
    public init(secondsSince1970 seconds: Double) {
        let nanoseconds = (seconds * 1e9).rounded()
        self.nanoseconds = Int64(exactly: nanoseconds) ?? (nanoseconds > 0 ? .max : .min)
    }

    /// Reads the clock.
    public static var now: WallTime { WallTime(nanoseconds: WallClock.now) }

    public static func < (a: WallTime, b: WallTime) -> Bool { a.nanoseconds < b.nanoseconds }

    public func encode(to encoder: inout ValueEncoder) { encoder.encode(self) }
}

/// The null value: `.null` returns it.
public struct LoggedNull: LogValue, Sendable {
    public func encode(to encoder: inout ValueEncoder) { encoder.encodeNull() }
}

/// Bytes that stay bytes: hexadecimal in text and JSON, binary in MessagePack.
public struct LoggedBytes: LogValue, Sendable {
    let bytes: [UInt8]
    public func encode(to encoder: inout ValueEncoder) { bytes.withUnsafeBytes { encoder.encode(bytes: $0) } }
}

/// Any value, as `String(describing:)` writes it.
public struct LoggedDescription<Value>: LogValue {
    let value: Value
    public func encode(to encoder: inout ValueEncoder) { encoder.encode(String(describing: value)) }
}

extension LogValue where Self == LoggedNull {
    /// No value.
    public static var null: LoggedNull { LoggedNull() }
}

extension LogValue where Self == LoggedBytes {
    /// Raw bytes.
    public static func bytes(_ bytes: some Sequence<UInt8>) -> LoggedBytes { LoggedBytes(bytes: Array(bytes)) }
}

extension LogValue where Self == LoggedError {
    /// An error: type, message, and the chain of its causes.
    public static func error(_ error: any Error) -> LoggedError { LoggedError(error) }
}

extension LogValue {
    /// Any value, as `String(describing:)` writes it.
    public static func describing<Value>(_ value: Value) -> LoggedDescription<Value>
    where Self == LoggedDescription<Value> {
        LoggedDescription(value: value)
    }
}
