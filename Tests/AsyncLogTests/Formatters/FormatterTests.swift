// The bytes of lines, exactly.
import AsyncLog
import Testing

@Suite("Formatters")
struct FormatterTests {
    private struct DatabaseError: CausedError, CustomStringConvertible {
        let description: String
        var cause: (any Error)?
    }

    @Test("text: the standard line")
    func text() throws {
        let lines = try lines(TextFormatter()) { logger in
            await logger.info("Hello world !")
            await logger.warning(
                "two\nlines \u{1b}[31m",
                ["a": 1, "b": "x y", "c": "", "d": "7", "e": nil as Int?, "f": Duration.microseconds(1500)])
            await logger["db"].critical(
                "é 中 😀", ["user": ["id": 7, "tags": ["a", "b"]] as Fields, "e": [:] as Fields])
        }
        #expect(
            lines == [
                "2026-11-22T08:27:00.123456Z INFO app: Hello world !",
                #"2026-11-22T08:27:00.123456Z WARNING app: two\nlines \u{1b}[31m a=1 b="x y" c="" d="7" e=null f=1.5ms"#,
                #"2026-11-22T08:27:00.123456Z CRITICAL app.db: é 中 😀 user.id=7 user.tags="[\"a\",\"b\"]" e={}"#,
            ])
    }

    @Test("text: a pattern with every part")
    func pattern() throws {
        let pattern = try TextPattern(
            "{time:s}|{clock:ns}|{epoch:ms}|{level:<9}|{level:lower}|{level:1}|{logger:>6}|{message:<4}|{fields}|{file}|{function}|{{}}"
        )
        let lines = try lines(TextFormatter(pattern: pattern)) { await $0.info("é", ["a": 1]) }
        #expect(
            lines == [
                "2026-11-22T08:27:00Z|08:27:00.123456789|1795336020123|INFO     |info|I|   app|é   | a=1|AsyncLogTests/FormatterTests.swift|pattern()|{}"
            ])
        let plain = try TextPattern("{time} {level} {logger}: {message}{fields}")
        let same = try FormatterTests.both(TextFormatter(pattern: plain), TextFormatter())
        #expect(same.0 == same.1)
    }

    private static func both(_ a: TextFormatter, _ b: TextFormatter) throws -> ([String], [String]) {
        let log: (Logger) async -> Void = { await $0.notice("m \(1)", ["a": "b c"]) }
        return (try lines(a, log), try lines(b, log))
    }

    @Test(
        "text: a malformed pattern is an error that points at the place",
        arguments: [
            ("{tiem}", 1, "no part of a record"), ("a {message", 2, "not closed"), ("a } b", 2, "not opened"),
            ("{level:big}", 1, "no way to write a level"),
            ("{time:h}", 1, "no unit"), ("{logger:<x}", 1, "not a width"), ("{fields:x}", 1, "no option"),
        ])
    func malformedPattern(text: String, offset: Int, reason: String) throws {
        let error = try #require(throws: PatternError.self) { try TextPattern(text) }
        #expect(error.offset == offset && error.reason.contains(reason), "\(error)")
    }

    @Test("JSON: the standard object")
    func json() throws {
        let lines = try lines(JSONFormatter()) { logger in
            await logger.info(
                "say \"hi\"\n",
                [
                    "n": -1, "d": 1.5, "whole": 2.0, "s": "é\\", "b": true, "z": nil as Int?, "message": "mine",
                    "ms": Duration.milliseconds(3),
                ])
            await logger.debug(
                "m",
                [
                    "nan": Double.nan, "bytes": .bytes([0, 255]), "list": [1, 2],
                    "object": ["a": ["b": 1] as Fields] as Fields,
                ])
        }
        let head = #"{"time":"2026-11-22T08:27:00.123456Z","level":"#
        #expect(
            lines == [
                head
                    + #""info","logger":"app","message":"say \"hi\"\n","n":-1,"d":1.5,"whole":2.0,"s":"é\\","b":true,"z":null,"message_":"mine","ms":0.003}"#,
                head
                    + #""debug","logger":"app","message":"m","nan":"NaN","bytes":"00ff","list":[1,2],"object":{"a":{"b":1}}}"#,
            ])
    }

    @Test("JSON: the options for parts, keys, extra fields, placement and excluded fields")
    func jsonOptions() throws {
        func line(_ formatter: JSONFormatter) throws -> String {
            try lines(formatter) { await $0.info("m", ["a": 1, "secret": 2, "service": 3]) }[0]
        }
        #expect(try line(JSONFormatter(include: .message)) == #"{"message":"m","a":1,"secret":2,"service":3}"#)
        #expect(try line(JSONFormatter(include: [])) == #"{"a":1,"secret":2,"service":3}"#)
        #expect(try line(JSONFormatter(include: [], exclude: ["a", "secret", "service"])) == "{}")
        #expect(try line(JSONFormatter(include: .level)) == #"{"level":"info","a":1,"secret":2,"service":3}"#)
        #expect(try line(JSONFormatter(include: .logger)) == #"{"logger":"app","a":1,"secret":2,"service":3}"#)
        #expect(
            try line(JSONFormatter(time: .epoch(.milliseconds), include: [.time, .level]))
                == #"{"time":1795336020123,"level":"info","a":1,"secret":2,"service":3}"#)
        #expect(
            try line(JSONFormatter(time: .rfc3339(.milliseconds), include: [.time]))
                == #"{"time":"2026-11-22T08:27:00.123Z","a":1,"secret":2,"service":3}"#)
        #expect(
            try line(JSONFormatter(include: [.message, .sequence, .source], keys: .init(message: "msg", line: "at")))
                .hasPrefix(
                    #"{"msg":"m","file":"AsyncLogTests/FormatterTests.swift","at":"#))
        #expect(
            try line(JSONFormatter(include: .message, exclude: ["secret"], extra: ["service": "api", "v": 2]))
                == #"{"message":"m","service":"api","v":2,"a":1,"service_":3}"#)
        #expect(
            try line(JSONFormatter(include: .message, extra: ["v": 2], fields: .nested("data")))
                == #"{"message":"m","v":2,"data":{"a":1,"secret":2,"service":3}}"#)
        #expect(
            try lines(JSONFormatter(include: [], fields: .nested("data"))) { await $0.info("m") } == [#"{"data":{}}"#])
    }

    @Test("logfmt: the standard line")
    func logfmt() throws {
        let lines = try lines(LogfmtFormatter(extra: ["service": "api"])) { logger in
            await logger.info("user logged in", ["user": 7, "level": "mine", "a key": "=", "quoted": "say \"hi\""])
            await logger.error("ok")
        }
        #expect(
            lines == [
                #"time=2026-11-22T08:27:00.123456Z level=info logger=app msg="user logged in" service=api user=7 fields.level=mine a_key="=" quoted="say \"hi\"""#,
                "time=2026-11-22T08:27:00.123456Z level=error logger=app msg=ok service=api",
            ])
    }

    @Test("console: aligned, with errors below, and colour only where it is wanted")
    func console() throws {
        let error = DatabaseError(description: "no route\nto host", cause: DatabaseError(description: "down"))
        let plain = try lines(ConsoleFormatter(color: .never, width: 200, messageWidth: 10)) { logger in
            await logger.info("short", ["a": 1, "b": "x y"])
            await logger.exception(error, "failed", ["host": "db1"])
        }.joined(separator: "\n").split(separator: "\n").map(String.init)
        #expect(plain[0] == #"08:27:00.123 INFO     app  short      a=1 b="x y""#)
        #expect(plain[1] == "08:27:00.123 ERROR    app  failed     host=db1")
        #expect(
            plain[2].hasPrefix("                           ╰ ")
                && plain[2].hasSuffix("DatabaseError: no route\\nto host"))
        #expect(plain[3].contains("  ╰ caused by ") && plain[3].hasSuffix("DatabaseError: down"))
        let colored = try lines(ConsoleFormatter(color: .always)) { await $0.warning("m") }
        #expect(colored[0].contains("\u{1b}[33mWARNING\u{1b}[0m"))
    }

    @Test("console: fields that would reach beyond the width go on lines of their own")
    func consoleWidth() throws {
        let line = try lines(ConsoleFormatter(color: .never, width: 50, messageWidth: 5)) {
            await $0.info("message", ["first": "0123456789", "second": "0123456789", "third": 1])
        }[0]
        #expect(line.split(separator: "\n").allSatisfy { $0.count <= 50 }, "\(line)")
        #expect(line.split(separator: "\n").count > 1)
        for field in ["first=\"0123456789\"", "second=\"0123456789\"", "third=1"] { #expect(line.contains(field)) }
    }

    @Test("a name that has to be escaped is escaped")
    func dangerousName() throws {
        #expect(try lines(TextFormatter(), name: "a\nb\"") { await $0.info("m") }[0].contains(#"INFO a\nb": m"#))
        #expect(try lines(JSONFormatter(), name: "a\nb\"") { await $0.info("m") }[0].contains(#""logger":"a\nb\"","#))
    }
}
