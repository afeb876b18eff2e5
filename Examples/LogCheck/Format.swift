// The five formats: how a log's format is detected, and which parser reads it.

enum Format: String, CaseIterable {
    case text, console, json, logfmt, msgpack

    /// Detects the format from the beginning of a log; nil if no format matches.
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

    /// Parses one record in a line of this format.
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
