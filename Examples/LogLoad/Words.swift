// The messages of records: each record has another one, which a reader can check.

struct Words: Sendable {
    let padding: String

    init(size: Int) { padding = String(repeating: "x", count: size) }

    private static let messages: [StaticString] = [
        "accepted connection", "read request", "parsed header", "looked up user", "queried database", "rendered page",
        "sent reply",
        "closed connection",
    ]

    /// The message's words; a blank and the number itself follow them.
    func message(_ seq: Int) -> StaticString { Words.messages[seq & 7] }
}
