// The five formats: which one a log is in, and where its parser is.

enum Format: String, CaseIterable {
    case text, console, json, logfmt, msgpack

    /// From the beginning of a log; nil if it looks like none of them.
    init?(beginning bytes: some Collection<UInt8>) {
        guard let first = bytes.first else { return nil }
        let text = String(decoding: bytes.prefix(64), as: UTF8.self)
        if first == 0xDE || first == 0xDF {
            self = .msgpack
        } else if first == UInt8(ascii: "{") {
            self = .json
        } else if text.hasPrefix("time=") {
            self = .logfmt
        } else if text.prefixMatch(of: /[0-9]{4}-[0-9]{2}-[0-9]{2}T/) != nil {
            self = .text
        } else if text.prefixMatch(of: /(\u{1b}\[[0-9;]*m)?[0-9]{2}:[0-9]{2}:[0-9]{2}/) != nil {
            self = .console
        } else {
            return nil
        }
    }

    /// One record in a line of this format.
    func parse(_ line: UnsafeRawBufferPointer) -> Entry {
        switch self {
        case .text: TextLine(line).entry(head: TextLine.text)
        case .console: TextLine(line).entry(head: TextLine.console)
        case .logfmt: TextLine(line).entry(head: TextLine.logfmt)
        case .json: JSONLine.entry(line)
        case .msgpack: preconditionFailure("MessagePack has no lines")
        }
    }
}
