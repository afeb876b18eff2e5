// What records say: something else in each, that a reader can check.

struct Words: Sendable {
    let padding: String

    init(size: Int) { padding = String(repeating: "x", count: size) }

    private static let messages: [StaticString] = [
        "accepted connection", "read request", "parsed header", "looked up user", "queried database", "rendered page", "sent reply",
        "closed connection",
    ]

    /// Followed by a blank and the number itself.
    func message(_ seq: Int) -> StaticString { Words.messages[seq & 7] }
}
