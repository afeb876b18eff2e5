// Metadata as fields: types, order, and which of equal keys counts.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Logging
import Synchronization
import Testing

@Suite("Metadata of swift-log")
struct MetadataTests {
    @Test("numbers, truth values, dictionaries and lists do not arrive as text")
    func types() throws {
        struct Point: LogValue, CustomStringConvertible, Sendable {
            let (x, y): (Int, Int)
            let description = "a point"
            func encode(to encoder: inout ValueEncoder) {
                encoder.encodeObject {
                    $0["x"] = x
                    $0["y"] = y
                }
            }
        }
        struct Plain: CustomStringConvertible, Sendable { let description = "plain" }
        let all = try records { backend in
            backend.logger("app").info(
                "m",
                metadata: [
                    "array": [.string("a"), .stringConvertible(2), ["b": .stringConvertible(false)], []],
                    "bool": .stringConvertible(true),
                    "dictionary": ["z": "1", "inner": ["k": .stringConvertible(1.5)], "none": [:]],
                    "double": .stringConvertible(0.25),
                    "duration": .stringConvertible(Duration.milliseconds(3)),
                    "int": .stringConvertible(-7),
                    "plain": .stringConvertible(Plain()),
                    "point": .stringConvertible(Point(x: 1, y: 2)),
                    "small": .stringConvertible(UInt8(9)),
                    "string": "text",
                    "wide": .stringConvertible(UInt64.max),
                ])
        }
        #expect(
            all.first?.fields == [
                "array": .array([.text("a"), .int(2), .object(["b": .bool(false)]), .array([])]),
                "bool": .bool(true),
                "dictionary": .object(["inner": .object(["k": .double(1.5)]), "none": .object([:]), "z": .text("1")]),
                "double": .double(0.25),
                "duration": .duration(.milliseconds(3)),
                "int": .int(-7),
                "plain": .text("plain"),
                "point": .object(["x": .int(1), "y": .int(2)]),
                "small": .int(9),
                "string": .text("text"),
                "wide": .uint(.max),
            ])
    }

    @Test("the order of fields does not change from run to run, as a dictionary's order does")
    func order() throws {
        let keys = ["a", "aa", "ab", "abcdefgh", "abcdefghi", "abcdefghj", "b", "long key with blanks", "z", "ä"]
        let all = try records { backend in
            var logger = backend.logger("app")
            logger.info("one", metadata: Dictionary(uniqueKeysWithValues: keys.map { ($0, .string($0)) }))
            for key in keys.shuffled() { logger[metadataKey: key] = .string(key) }
            logger.info("two")
        }
        #expect(all.map(\.fields.keys) == [keys, keys])
        #expect(all.allSatisfy { record in keys.allSatisfy { record.fields[$0] == .text($0) } })
    }

    @Test("the call's metadata counts before the provider's, the provider's before the logger's; each key comes once")
    func precedence() throws {
        let provider = Logging.Logger.MetadataProvider {
            ["p": "provider", "logger and provider": "provider", "all": "provider"]
        }
        let all = try records { backend in
            var logger = backend.logger("app", metadataProvider: provider)
            logger[metadataKey: "logger"] = "logger"
            logger[metadataKey: "logger and provider"] = "logger"
            logger[metadataKey: "all"] = "logger"
            logger.info("m", metadata: ["all": "call", "call": "call"])
            logger.info("m")
        }
        #expect(
            all[0].fields == [
                "logger": .text("logger"), "logger and provider": .text("provider"), "p": .text("provider"),
                "all": .text("call"),
                "call": .text("call"),
            ])
        #expect(
            all[1].fields == [
                "logger": .text("logger"), "all": .text("provider"), "logger and provider": .text("provider"),
                "p": .text("provider"),
            ])
    }

    @Test("a logger's constant metadata is not encoded again for each of its records, nor for those of its copies")
    func constantMetadata() throws {
        final class Counted: LogValue, CustomStringConvertible, Sendable {
            let count = Atomic(0)
            var description: String { "counted" }
            func encode(to encoder: inout ValueEncoder) {
                encoder.encode(count.add(1, ordering: .relaxed).newValue)
            }
        }
        let value = Counted()
        let all = try records { backend in
            var logger = backend.logger("app")
            logger[metadataKey: "n"] = .stringConvertible(value)
            #expect(value.count.load(ordering: .relaxed) == 0)  // no record has been logged yet
            for _ in 0..<10 { logger.info("m") }
            let copy = logger
            copy.info("m", metadata: ["other": "x"])
            logger[metadataKey: "changed"] = "y"
            for _ in 0..<10 { logger.info("m") }
            copy.info("m")
        }
        #expect(value.count.load(ordering: .relaxed) == 2)
        #expect(
            all.map { $0.fields["n"] } == Array(repeating: .int(1), count: 11) + Array(repeating: .int(2), count: 10)
                + [.int(1)])
    }

    @Test("a removed key is gone, and metadata as a whole can be set")
    func removal() throws {
        let all = try records { backend in
            var logger = backend.logger("app")
            logger[metadataKey: "a"] = "1"
            logger[metadataKey: "b"] = "2"
            logger[metadataKey: "a"] = nil
            logger.info("m")
            logger.handler.metadata = ["c": "3"]
            logger.info("m")
            logger.handler.metadata = [:]
            logger.info("m")
        }
        #expect(all.map(\.fields) == [["b": .text("2")], ["c": .text("3")], [:]])
    }

    @Test("metadata providers see the task that logs, and are not called for records that do not pass the level")
    func provider() throws {
        enum Trace { @TaskLocal static var id = "none" }
        let counter = SharedCounter()
        let provider = Logging.Logger.MetadataProvider {
            counter.increment()
            return ["trace": "\(Trace.id)"]
        }
        let all = try records(level: .info) { backend in
            let logger = backend.logger("app", metadataProvider: provider)
            await Trace.$id.withValue("t1") {
                logger.info("one")
                await onThread { logger.info("elsewhere") }
            }
            logger.debug("not looked at")
        }
        #expect(all.first { $0.message == "one" }?.fields["trace"] == .text("t1"))
        #expect(all.first { $0.message == "elsewhere" }?.fields["trace"] == .text("none"))
        #expect(counter.value == 2)
    }

    @Test("an error is an object with type, message and cause, not a text")
    func errors() throws {
        struct Refused: Error, CustomStringConvertible { let description = "connection refused" }
        struct Unreachable: Error, CustomStringConvertible {
            let cause = Refused()
            let description = "cannot reach the database"
        }
        let all = try records { backend in
            backend.logger("app").error("failed", error: Unreachable(), metadata: ["host": "db1"])
        }
        guard case .error(let error) = all.first?.fields["error"], case .error(let cause) = error["cause"] else {
            Issue.record("no error with a cause in \(all)")
            return
        }
        #expect(all.first?.level == .error)
        #expect(error["message"] == .text("cannot reach the database"))
        #expect(cause["message"] == .text("connection refused"))
        #expect(all.first?.fields["host"] == .text("db1"))
    }

    @Test("the task's scope and the backend's own fields are in swift-log's records, too")
    func scope() throws {
        let all = try EventLoop.run {
            let memory = MemoryHandler()
            let backend = AsyncLogBackend(
                AsyncLog.Logger("", handlers: [memory], context: { $0["context"] = 1 }).with(["service": "api"]))
            var logger = backend.logger("app")
            withLogContext(["request": 7]) { logger.info("m", metadata: ["a": "b"]) }
            logger[metadataKey: "own"] = "x"
            logger.info("m")
            return memory.records
        }
        #expect(all[0].fields == ["request": .int(7), "service": .text("api"), "context": .int(1), "a": .text("b")])
        #expect(all[1].fields == ["service": .text("api"), "own": .text("x"), "context": .int(1)])
    }

    @Test("JSON of a server's line is what a reader of swift-log expects, typed")
    func json() throws {
        let all = try lines(JSONFormatter(include: [.level, .logger, .message])) { backend in
            var logger = backend.logger("hb")
            logger[metadataKey: "hb.request.id"] = "4f"
            logger.info(
                "Request", metadata: ["hb.request.path": "/a\"b", "hb.request.status": .stringConvertible(200)])
        }
        #expect(
            all == [
                #"{"level":"info","logger":"hb","message":"Request","hb.request.id":"4f","hb.request.path":"/a\"b","hb.request.status":200}"#
            ])
    }
}

final class SharedCounter: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .relaxed) }
    func increment() { count.add(1, ordering: .relaxed) }
}
