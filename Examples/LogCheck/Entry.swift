// The entries of a log: LogLoad's records, and the logger's own records.

enum Entry: Equatable {
    case record(seq: Int, task: Int)
    /// A report of dropped records, with the numbers of the first and the last of them.
    case drops(count: Int, first: Int, last: Int)
    /// The last line of a program that crashed.
    case crash(signal: String, unwritten: Int, undelivered: Int)
    /// Another record of the logger's own.
    case note(String)
    /// No record, or only a part of one.
    case torn(String)

    /// The parts of one record that the checks need, as a parser found them.
    struct Fields {
        var logger = ""
        var message = ""
        var texts: [String: String] = [:]
        var numbers: [String: Int] = [:]
    }

    init(_ fields: Fields) {
        if fields.logger == "asynclog" {
            if let dropped = fields.numbers["dropped"], let first = fields.numbers["first_sequence"],
                let last = fields.numbers["last_sequence"]
            {
                // The logger counts from 1, the load from 0.
                self = .drops(count: dropped, first: first - 1, last: last - 1)
            } else if let signal = fields.texts["signal"], let unwritten = fields.numbers["unwritten"],
                let undelivered = fields.numbers["undelivered"]
            {
                self = .crash(signal: signal, unwritten: unwritten, undelivered: undelivered)
            } else {
                self = .note(fields.message)
            }
        } else if let seq = fields.numbers["seq"], let task = fields.numbers["task"], let padding = fields.texts["pad"],
            padding.utf8.allSatisfy({ $0 == UInt8(ascii: "x") }), fields.message == Entry.message(seq)
        {
            self = .record(seq: seq, task: task)
        } else {
            self = .torn(fields.message)
        }
    }

    private static let messages = [
        "accepted connection", "read request", "parsed header", "looked up user", "queried database", "rendered page",
        "sent reply",
        "closed connection",
    ]

    /// The message that LogLoad logs in the record with this number.
    static func message(_ seq: Int) -> String { messages[seq & 7] + " \(seq)" }
}
