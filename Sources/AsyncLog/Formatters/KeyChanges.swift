// What formatters note about the keys that they write, so that two keys that became equal are found (UniqueKeys.swift).

/// What has been done to the keys of a line.
struct KeyChanges: OptionSet {
    let rawValue: UInt8

    /// A key was cut, or has another character in place of one that the format cannot hold.
    static let repaired = KeyChanges(rawValue: 1)
    /// An object was written as pairs.
    static let flattened = KeyChanges(rawValue: 2)
    /// A key that the format uses itself has got a prefix.
    static let prefixed = KeyChanges(rawValue: 4)
}
