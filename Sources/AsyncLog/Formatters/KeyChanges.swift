// What formatters note about the keys that they write, so that keys that became equal are found (UniqueKeys.swift).

/// How the keys of a line were changed.
struct KeyChanges: OptionSet {
    let rawValue: UInt8

    /// A key was cut, or another character replaced one that the format cannot hold.
    static let repaired = KeyChanges(rawValue: 1)
    /// An object was written as pairs.
    static let flattened = KeyChanges(rawValue: 2)
    /// A key that is equal to one of the format's own got a prefix.
    static let prefixed = KeyChanges(rawValue: 4)
}
