// Names of loggers. They are compared as bytes: Swift takes two spellings of the same characters for one text (`é` in
// NFC and in NFD), and a log does not.

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

    /// The full name of the child with this name.
    func below(_ parent: String) -> String { parent.isEmpty ? text : parent + "." + text }

    static func areEqual(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && a.utf8.elementsEqual(b.utf8)
    }
}
