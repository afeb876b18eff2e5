// Names of loggers. They are bytes: Swift takes two spellings of the same characters for one text (`é` in NFC and in NFD), and a log does not.

/// The key of a table of names.
struct LoggerName: Hashable {
    private let text: String

    init(_ text: String) {
        var text = text
        text.makeContiguousUTF8()
        self.text = text
    }

    init(_ part: Substring.UTF8View) { self.init(String(Substring(part))) }

    static func == (a: LoggerName, b: LoggerName) -> Bool { LoggerName.areEqual(a.text, b.text) }

    func hash(into hasher: inout Hasher) {
        text.utf8.withContiguousStorageIfAvailable { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    /// The full name of the child that is called like this.
    func below(_ parent: String) -> String { parent.isEmpty ? text : parent + "." + text }

    static func areEqual(_ a: String, _ b: String) -> Bool { a.utf8.count == b.utf8.count && a.utf8.elementsEqual(b.utf8) }

    /// A longer name is cut, and ends with a mark. What works with names takes time and stack for each of their parts.
    static let limit = 512

    /// The name, or as much of it as may be, and how much is missing: `app.….…[4711 bytes cut]`.
    static func limited(_ name: String, to limit: Int = limit) -> String {
        guard name.utf8.count > limit else { return name }
        var name = name
        return name.withUTF8 { utf8 in
            let kept = Text.boundary(utf8, limit - 32)  // room for the mark
            return String(decoding: utf8[..<kept], as: UTF8.self) + "…[\(utf8.count - kept) bytes cut]"
        }
    }
}
