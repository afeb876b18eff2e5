// A parser that finds a key twice in an object drops one of the two values. No format of ours makes two keys equal.
import AsyncLog
import EventLoop
import TestSupport
import Testing

@Suite("Keys that a format changes")
struct UniqueKeysTests {
    // MARK: JSON

    /// The keys and values of the objects of integers that stand in a line, whatever they are nested in, in order. Only
    /// for what the tests here write.
    private static func pairs(json line: String) -> [String] {
        line.split(whereSeparator: { "{},".contains($0) }).map(String.init)
    }

    @Test(
        "JSON: a field that is called like a part of the record, and one that is called as that field is renamed, stay two"
    )
    func json() throws {
        let line = try lines(JSONFormatter(include: .message)) {
            await $0.info("m", ["message": 1, "message_": 2, "message__": 3, "level": 4, "level_": 5, "other_": 6])
        }[0]
        #expect(line == #"{"message":"m","message_":1,"message__":2,"message___":3,"level":4,"level_":5,"other_":6}"#)
    }

    @Test("JSON: keys of parts and of extra fields that are equal are made different, and fields keep out of their way")
    func jsonSettings() throws {
        let formatter = JSONFormatter(
            include: [.level, .message], keys: .init(level: "x", message: "x"), extra: ["x": 1, "x_": 2, "level": 3],
            fields: .flat)
        let line = try lines(formatter) { await $0.info("m", ["x": 4, "x_": 5, "x__": 6, "level": 7, "level_": 8]) }[0]
        let keys = UniqueKeysTests.pairs(json: line).map { $0.split(separator: ":")[0] }
        #expect(Set(keys).count == 10 && keys.count == 10, "\(line)")
        let nested = try lines(JSONFormatter(include: .message, extra: ["a": 1, "a": 2], fields: .nested("message"))) {
            await $0.info("m", ["message": 1])
        }[0]
        #expect(nested == #"{"message":"m","a":2,"message_":{"message":1}}"#)
    }

    /// A handler whose lines are short, so that texts and keys are cut.
    private static func shortLines<Format: Formatter>(
        _ formatter: Format, _ limit: Int, _ body: @escaping (Logger) -> Void
    ) throws -> [UInt8] {
        let sink = try Sink()
        try onLoop {
            let handler = StreamHandler(sink.descriptor, formatter: formatter, maximumLineLength: limit)
            body(Logger("app", handlers: [handler]))
            try await handler.flush(.written)
        }
        return sink.bytes()
    }

    private static func logLongKeys(_ logger: Logger) {
        let long = String(repeating: "k", count: 300)
        logger.info("m") { fields in
            for index in 0..<4 { fields[FieldKey(long + "\(index)")] = index }
            fields.object("o") { for index in 0..<4 { $0[FieldKey(long + "\(index)")] = index } }
        }
    }

    @Test(
        "JSON: keys that are cut because the line is too long stay different",
        .enabled(if: Python.withJSON == nil, "skipped: there is no Python 3"))
    func cutJSON() throws {
        let bytes = try UniqueKeysTests.shortLines(JSONFormatter(), 1600, UniqueKeysTests.logLongKeys)
        #expect(String(decoding: bytes, as: UTF8.self).contains("bytes cut from key 1]"))
        // It fails at a key that is there twice.
        let said = try Python.run("parse.py", ["json"], input: bytes)
        #expect(said.split(separator: ",").count == 4 + 4 + 4)
    }

    @Test(
        "MessagePack: keys that are renamed or cut stay different",
        .enabled(if: Python.withMessagePack == nil, "skipped: there is no Python 3 with the module msgpack"))
    func messagePack() throws {
        let long = try UniqueKeysTests.shortLines(MessagePackFormatter(), 1600, UniqueKeysTests.logLongKeys)
        #expect(try Python.run("parse.py", ["msgpack"], input: long).split(separator: ",").count == 4 + 4 + 4)
        let renamed = try UniqueKeysTests.shortLines(MessagePackFormatter(), 1600) {
            $0.info("m", ["time": 1, "time_": 2, "level": 3, "level__": 4])
        }
        #expect(try Python.run("parse.py", ["msgpack"], input: renamed).split(separator: ",").count == 4 + 4)
    }

    /// The same without Python: what has to stand in the bytes.
    @Test("MessagePack: the names of renamed and cut keys")
    func messagePackBytes() throws {
        let renamed = try UniqueKeysTests.shortLines(MessagePackFormatter(), 1600) {
            $0.info("m", ["time": 1, "time_": 2])
        }
        // time_: 1, time__: 2
        let expected: [UInt8] = [0xA5, 0x74, 0x69, 0x6D, 0x65, 0x5F, 1, 0xA6, 0x74, 0x69, 0x6D, 0x65, 0x5F, 0x5F, 2]
        #expect(Array(renamed.suffix(expected.count)) == expected)
        let long = try UniqueKeysTests.shortLines(MessagePackFormatter(), 1600, UniqueKeysTests.logLongKeys)
        let text = String(decoding: long, as: UTF8.self)
        for number in 1...8 { #expect(text.contains(" bytes cut from key \(number)]"), "\(number)") }
    }

    // MARK: Pairs

    /// The keys of a line of pairs in which no value has a blank.
    private static func keys(_ line: some StringProtocol) -> [String] {
        line.split(separator: " ").compactMap { $0.contains("=") ? String($0.split(separator: "=")[0]) : nil }
    }

    private static func checkPairs(
        _ formatter: some Formatter, fixed: Int, _ sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let all = try lines(formatter) { logger in
            await logger.info("m", ["o": ["x": 1] as Fields, "o.x": 2])
            await logger.info("m", ["o.x": 1, "o": ["x": 2] as Fields])
            await logger.info("m", ["a b": 1, "a_b": 2, "a=b": 3, "a_b_2": 4])
            await logger.info("m", ["time": 1, "fields.time": 2])
            await logger.info("m", ["fields": ["time": 1] as Fields, "time": 2])
            await logger.info("m", ["o": ["a": ["b": 1] as Fields, "a.b": 2] as Fields])
            await logger.info("m", ["": 1, "_": 2])
            await logger.info("m", ["e": Fields.none, "e": ["x y": 1, "x_y": 2] as Fields, "e.x_y": 3])
            await logger.with(["a b": 1]).info("m", ["a_b": 2])
            await logger.with(["o": ["x": 1] as Fields]).info("m", ["o.x": 2])
            await logger.with(["a b": 1]).info("m", ["a\tb": 2])
            await withLogContext(["o": ["x": 1] as Fields]) {
                await logger.with(["o.x": 2]).info("m", ["o\u{fffd}x": 3, "o_x": 4])
            }
        }
        for (line, count) in zip(all, [2, 2, 4, 2, 2, 2, 2, 3, 2, 2, 2, 4]) {
            let keys = keys(line)
            #expect(keys.count == fixed + count, "\(line)", sourceLocation: sourceLocation)
            #expect(Set(keys).count == keys.count, "\(line)", sourceLocation: sourceLocation)
        }
    }

    @Test(
        "logfmt and text: keys that are repaired, flattened or prefixed stay different, in every combination of places")
    func pairs() throws {
        try UniqueKeysTests.checkPairs(LogfmtFormatter(), fixed: 4)
        try UniqueKeysTests.checkPairs(
            LogfmtFormatter(extra: ["e.x_y": 1, "z": ["time": 2] as Fields, "z.time": 3, "time": 4]), fixed: 8)
        try UniqueKeysTests.checkPairs(TextFormatter(), fixed: 0)
        try UniqueKeysTests.checkPairs(TextFormatter(pattern: try TextPattern("{message}{fields}")), fixed: 0)
        try UniqueKeysTests.checkPairs(SyslogFormatter(.rfc3164, app: "app", host: "host"), fixed: 0)
    }

    /// The same with handlers that keep what they have made of bound fields.
    @Test("the changes to bound fields are known when their layout is used again")
    func boundAgain() throws {
        let sink = try Sink()
        try onLoop {
            let handler = StreamHandler(sink.descriptor, formatter: LogfmtFormatter())
            let logger = Logger("app", handlers: [handler]).with(["a b": 1, "o": ["x": 2] as Fields])
            for _ in 0..<3 {
                await logger.info("m")
                await logger.info("m", ["a_b": 3, "o.x": 4])
            }
        }
        for (index, line) in sink.lines().enumerated() {
            #expect(line.hasSuffix(index % 2 == 0 ? " a_b=1 o.x=2" : " a_b=1 o.x=2 a_b_2=3 o.x_2=4"), "\(line)")
        }
    }

    @Test("structured data: names that are cut to 32 characters, repaired or flattened stay different, and short")
    func syslog() throws {
        let long = String(repeating: "n", count: 40)
        let line = try lines(SyslogFormatter(.rfc5424, app: "app", host: "host")) { logger in
            await logger.info("m") { fields in
                for index in 0..<12 { fields[FieldKey(long + "\(index)")] = index }
                fields["a b"] = 1
                fields["a_b"] = 2
                fields["o"] = ["x": 3] as Fields
                fields["o.x"] = 4
            }
        }[0]
        let keys = UniqueKeysTests.keys(line.drop { $0 != "[" })
        #expect(keys.count == 16 && Set(keys).count == 16, "\(line)")
        #expect(keys.allSatisfy { $0.utf8.count <= 32 }, "\(line)")
    }

    @Test("console: keys that are repaired stay different")
    func console() throws {
        let line = try lines(ConsoleFormatter(color: .never)) { await $0.info("m", ["a b": 1, "a_b": 2]) }[0]
        #expect(line.hasSuffix(" a_b=1 a_b_2=2"), "\(line)")
    }

    @Test("a thousand keys that a format makes equal are told apart without trying all numbers for each")
    func many() throws {
        // Ten characters that cannot stand in a key: all of them become ten times the same one.
        let keys = (0..<1000).map { number in FieldKey(String((0..<10).map { number >> $0 & 1 == 0 ? " " : "=" })) }
        let line = try lines(LogfmtFormatter()) {
            await $0.info("m") { fields in for key in keys { fields[key] = 1 } }
        }[0]
        let found = UniqueKeysTests.keys(line)
        #expect(Set(found).count == 1004)
    }

    // MARK: What parsers do not take

    @Test("logfmt: no key has a U+FFFD, at which parsers stop")
    func replacementCharacter() throws {
        let line = try lines(LogfmtFormatter()) {
            await $0.info("m", ["a\u{fffd}b": 1, "\u{fffd}": 2, "é": 3, "o": ["\u{fffd}x": 4] as Fields])
        }[0]
        #expect(line.hasSuffix(" a_b=1 _=2 é=3 o._x=4"), "\(line)")
    }

    @Test("a number that is none is written in one way only, and no text like it")
    func notANumber() throws {
        let line = try lines(LogfmtFormatter()) {
            await $0.info(
                "m",
                [
                    "a": Double.signalingNaN, "b": -Double.nan, "c": Double(nan: 7, signaling: false),
                    "d": Float.signalingNaN, "e": "nan",
                    "f": "snan",
                    "g": "-nan",
                ])
        }[0]
        #expect(line.hasSuffix(#" a=nan b=nan c=nan d=nan e="nan" f=snan g="-nan""#), "\(line)")
    }
}
