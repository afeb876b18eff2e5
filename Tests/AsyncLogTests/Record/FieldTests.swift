// A field keeps its value and its type, however it is written.
import AsyncLog
import Testing

private struct User: LogValue {
    let id: Int
    let name: String

    func encode(to encoder: inout ValueEncoder) {
        encoder.encodeObject {
            $0["id"] = id
            $0["name"] = name
        }
    }
}

private enum Color: String, LogValue { case red, green }

private struct Celsius: LogValue, CustomStringConvertible {
    let degrees: Double
    var description: String { "\(degrees) °C" }
}

private struct Silent: LogValue {
    func encode(to encoder: inout ValueEncoder) {}
}

private struct Undecided: LogValue {
    func encode(to encoder: inout ValueEncoder) {
        encoder.encode("a text that is given up")
        encoder.encode(7)
    }
}

@Suite("Fields")
struct FieldTests {
    @Test("a dictionary literal keeps the order and the types of its values")
    func literal() throws {
        let (text, nothing): (String, Int?) = ("Köln", nil)
        let record = try records {
            await $0.info(
                "m",
                [
                    "int": -7, "uint": UInt64.max, "small": UInt8(200), "double": 2.5, "float": Float(0.1), "yes": true,
                    "text": text,
                    "static": "literal" as StaticString, "sub": text.dropFirst(),
                    "duration": Duration.milliseconds(1500),
                    "date": WallTime(nanoseconds: 5), "nothing": nothing, "some": Optional(3), "null": .null,
                    "bytes": .bytes([1, 255]),
                    "array": [1, 2, 3], "dictionary": ["b": 2, "a": 1], "object": ["x": 1, "y": "z"] as Fields,
                    "user": User(id: 1, name: "Ada"),
                    "color": Color.green, "celsius": Celsius(degrees: 20), "described": .describing(1...3),
                ])
        }[0]
        let expected: KeptFields = [
            "int": .int(-7), "uint": .uint(.max), "small": .int(200), "double": .double(2.5), "float": .float(0.1),
            "yes": .bool(true),
            "text": .text("Köln"), "static": .text("literal"), "sub": .text("öln"),
            "duration": .duration(.milliseconds(1500)),
            "date": .date(WallTime(nanoseconds: 5)), "nothing": .null, "some": .int(3), "null": .null,
            "bytes": .bytes([1, 255]),
            "array": .array([.int(1), .int(2), .int(3)]), "dictionary": .object(["a": .int(1), "b": .int(2)]),
            "object": .object(["x": .int(1), "y": .text("z")]), "user": .object(["id": .int(1), "name": .text("Ada")]),
            "color": .text("green"),
            "celsius": .text("20.0 °C"), "described": .text("1...3"),
        ]
        for key in expected.keys { #expect(record.fields[key] == expected[key], "\(key)") }
        #expect(record.fields == expected)
    }

    @Test("a closure writes the same as a literal, conditions and nesting included")
    func closure() throws {
        let record = try records { logger in
            await logger.info("m") { fields in
                fields["id"] = 7
                if Bool.random() || true { fields["kind"] = "a" }
                fields.object("outer") { outer in
                    outer["x"] = 1.5
                    outer.object("inner") { $0["deep"] = true }
                }
                fields.array("list") {
                    $0.append(1)
                    $0.append("two")
                    $0.append(User(id: 3, name: "three"))
                }
            }
        }[0]
        #expect(
            record.fields == [
                "id": .int(7), "kind": .text("a"),
                "outer": .object(["x": .double(1.5), "inner": .object(["deep": .bool(true)])]),
                "list": .array([.int(1), .text("two"), .object(["id": .int(3), "name": .text("three")])]),
            ])
    }

    @Test("fields that were made before the call are the same as fields made in it")
    func prepared() throws {
        let inner: Fields = ["deep": "text"]
        let prepared: Fields = ["a": 1, "inner": inner, "none": Fields.none]
        let record = try records { logger in
            await logger.info("m", prepared)
        }[0]
        #expect(record.fields == ["a": .int(1), "inner": .object(["deep": .text("text")]), "none": .object([:])])
    }

    @Test("a key that is written twice has the value that was written last")
    func repeatedKey() throws {
        let record = try records { await $0.info("m", ["a": 1, "b": 2, "a": 3]) }[0]
        #expect(record.fields == ["b": .int(2), "a": .int(3)])
    }

    @Test("keys that are known at run time only, and empty or very long ones, are keys like any other")
    func dynamicKeys() throws {
        let long = String(repeating: "ключ", count: 1000)
        let record = try records { await $0.info("m", [FieldKey("k\(1)"): 1, FieldKey(""): 2, FieldKey(long): 3]) }[0]
        #expect(record.fields == ["k1": .int(1), "": .int(2), long: .int(3)])
    }

    @Test("a value that encodes nothing is null, and of one that encodes several things the last counts")
    func misbehaving() throws {
        let record = try records { await $0.info("m", ["silent": Silent(), "undecided": Undecided(), "after": 1]) }[0]
        #expect(record.fields == ["silent": .null, "undecided": .int(7), "after": .int(1)])
    }

    @Test("fields larger than the scratch memory are whole, and the message in front of them too")
    func large() throws {
        let text = String(repeating: "0123456789", count: 20_000)
        let record = try records { await $0.info("before \(text.count)", ["a": text, "b": [text, text], "c": 1]) }[0]
        #expect(record.message == "before 200000")
        #expect(record.fields == ["a": .text(text), "b": .array([.text(text), .text(text)]), "c": .int(1)])
    }

    @Test("fields that are written where a value is being written do not disturb it")
    func valuesAheadOfKeys() throws {
        struct Wrapped: LogValue {
            func encode(to encoder: inout ValueEncoder) {
                _ = ["given": "up"] as Fields
                encoder.encode(["a": 1, "b": ["c": "text"] as Fields])
            }
        }
        let record = try records { logger in
            await logger.info("m") { fields in
                fields["first"] = ["id": 7, "name": "x"] as Fields
                fields.array("list") {
                    $0.append(["n": 1] as Fields)
                    $0.append(Wrapped())
                }
                fields.append(contentsOf: ["p": 1, "q": 2])
                fields["wrapped"] = Wrapped()
                fields["last"] = true
            }
        }[0]
        let wrapped = KeptValue.object(["a": .int(1), "b": .object(["c": .text("text")])])
        #expect(
            record.fields == [
                "first": .object(["id": .int(7), "name": .text("x")]),
                "list": .array([.object(["n": .int(1)]), wrapped]), "p": .int(1),
                "q": .int(2), "wrapped": wrapped, "last": .bool(true),
            ])
    }

    @Test("an error is logged with its type, its message and the chain of its causes")
    func errors() throws {
        struct Lowest: Error, CustomStringConvertible { let description = "lowest" }
        struct Middle: Error {
            let underlying: any Error = Lowest()
        }
        struct Top: CausedError, CustomStringConvertible {
            let description = "top"
            let cause: (any Error)? = Middle()
        }
        let record = try records { await $0.exception(Top(), "failed", ["code": 7]) }[0]
        #expect(record.level == .error)
        #expect(record.fields["code"] == .int(7))
        guard case .error(let error) = record.fields["error"], case .error(let middle) = error["cause"],
            case .error(let lowest) = middle["cause"]
        else {
            Issue.record("no chain of errors: \(record.fields)")
            return
        }
        #expect(error["message"] == .text("top"))
        guard case .text(let type) = error["type"] else { return }
        #expect(type.contains("Top"))
        #expect(lowest["message"] == .text("lowest"))
        #expect(lowest["cause"] == nil)
        // The other forms of the call.
        let others = try records { logger in
            await logger.exception(Top(), "failed") { $0["code"] = 7 }
            logger.nowait.exception(Top(), "failed", ["code": 7])
            logger.nowait.exception(Top(), "failed") { $0["code"] = 7 }
        }
        #expect(others.map(\.fields) == [record.fields, record.fields, record.fields])
    }

    @Test("an error that is its own cause does not hang the logger")
    func endlessChain() throws {
        struct Endless: CausedError { var cause: (any Error)? { Endless() } }
        #expect(try records { await $0.exception(Endless()) }.count == 1)
    }

    @Test("the source location is that of the call")
    func location() throws {
        let line = #line + 1
        let record = try records { await $0.info("m") }[0]
        #expect(record.line == line)
        #expect(record.file == "AsyncLogTests/FieldTests.swift")
        #expect(record.function == "location()")
    }

    @Test("neither message nor fields are evaluated for a record that does not pass the level")
    func lazy() throws {
        nonisolated(unsafe) var evaluated = 0
        func costly() -> Int {
            evaluated += 1
            return evaluated
        }
        _ = try records(level: .warning) { logger in
            await logger.info("\(costly())", ["a": costly()])
            await logger.info("m") { $0["a"] = costly() }
            logger.nowait.debug("\(costly())")
            await logger.exception(CancellationError(), "\(costly())", ["a": costly()], level: .info)
        }
        #expect(evaluated == 0)
    }

    @Test("a value that logs while it is being logged does not disturb the record that it belongs to")
    func nested() throws {
        let all = try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", level: .trace, handlers: [memory])
            struct Chatty: LogValue {
                let logger: Logger
                func encode(to encoder: inout ValueEncoder) {
                    logger.info("inner \(String(repeating: "x", count: 5000))", ["y": 2])
                    encoder.encode("chatty")
                }
            }
            await logger.info("outer \(1)", ["a": 1, "chatty": Chatty(logger: logger), "b": 2])
            return memory.records
        }
        #expect(all.count == 2)
        #expect(all[0].message.hasPrefix("inner x"))
        #expect(all[1].message == "outer 1")
        #expect(all[1].fields == ["a": .int(1), "chatty": .text("chatty"), "b": .int(2)])
    }
}
