// Fields that do not come from the call: those of the logger, of the task's scope, of a provider; and which one counts.
import AsyncLog
import EventLoop
import TestSupport
import Testing

@Suite("Context")
struct ContextTests {
    @Test(
        "a bound logger's fields are in all its records, the innermost of equal keys counts, and the logger it came from has none"
    )
    func bound() throws {
        let all = try records { logger in
            let request = logger.with(["request": 7, "user": "a"])
            await request.info("m", ["path": "/"])
            await request.with(["user": "b", "role": "x"]).info("m", ["role": "y"])
            await logger.info("m")
        }
        #expect(all[0].fields == ["request": .int(7), "user": .text("a"), "path": .text("/")])
        #expect(all[1].fields == ["request": .int(7), "user": .text("b"), "role": .text("y")])
        #expect(all[2].fields == [:])
    }

    @Test("the layout that is kept for one handler is not used for another")
    func layouts() throws {
        let (json, text) = try onLoop {
            let (json, text) = (
                Collector(JSONFormatter(include: .message)),
                Collector(try TextFormatter(pattern: TextPattern("{message}{fields}")))
            )
            let logger = Logger("app", handlers: [json, text]).with(["a": 1, "b": "x y"])
            for _ in 0..<3 { await logger.info("m", ["c": 2]) }
            await logger.info("m", ["a": 9])
            return (json.texts, text.texts)
        }
        #expect(
            json == Array(repeating: #"{"message":"m","a":1,"b":"x y","c":2}"#, count: 3) + [
                #"{"message":"m","b":"x y","a":9}"#
            ])
        #expect(text == Array(repeating: #"m a=1 b="x y" c=2"#, count: 3) + [#"m b="x y" a=9"#])
    }

    @Test(
        "a bound logger writes the same through a real handler, where the layout is kept, as through one that keeps none"
    )
    func keptLayouts() throws {
        let sink = try Sink()
        try onLoop {
            let logger = Logger(
                "app", handlers: [StreamHandler(sink.descriptor, formatter: JSONFormatter(include: .message))])
            let bound = logger.with(["a": "\"quoted\""])
            for index in 0..<3 { await bound.info("m", ["i": index]) }
            await bound.with(["b": 1]).info("m")
            await withLogContext(["scope": 1]) {
                await bound.info("m")
                await bound.info("m", ["scope": 2])
            }
            try await logger.flush()
        }
        let quoted = #""a":"\"quoted\"""#
        #expect(
            sink.lines() == [
                "{\"message\":\"m\",\(quoted),\"i\":0}", "{\"message\":\"m\",\(quoted),\"i\":1}",
                "{\"message\":\"m\",\(quoted),\"i\":2}",
                "{\"message\":\"m\",\(quoted),\"b\":1}", "{\"message\":\"m\",\"scope\":1,\(quoted)}",
                "{\"message\":\"m\",\(quoted),\"scope\":2}",
            ])
    }

    @Test(
        "a scope's fields are in the records of its task and of its child tasks, and of no other task, whatever the logger"
    )
    func scopes() throws {
        let all = try records { logger in
            await withLogContext(["request": 1, "a": "outer"]) {
                await logger.info("outer")
                await withLogContext(["a": "inner"]) {
                    async let child: Void = logger.info("child")
                    await child
                    await Task.detached(executorPreference: EventLoop.current!) { await logger.info("detached") }.value
                }
                await logger["db"].info("outer again")
            }
            await logger.info("outside")
        }
        let fields = Dictionary(uniqueKeysWithValues: all.map { ($0.message, $0.fields) })
        #expect(fields["outer"] == ["request": .int(1), "a": .text("outer")])
        #expect(fields["child"] == ["request": .int(1), "a": .text("inner")])
        #expect(fields["detached"] == [:])
        #expect(fields["outer again"] == ["request": .int(1), "a": .text("outer")])
        #expect(fields["outside"] == [:])
    }

    @Test("a scope returns and throws what its body does, with its type")
    func scopeResults() throws {
        struct Failure: Error, Equatable {}
        #expect(withLogContext(["a": 1]) { 7 } == 7)
        do throws(Failure) {
            try withLogContext(["a": 1]) { () throws(Failure) in throw Failure() }
            Issue.record("nothing was thrown")
        } catch { #expect(error == Failure()) }
    }

    @Test(
        "a provider's fields are taken on the thread and in the task that logs, and only for records that pass the level"
    )
    func provider() throws {
        enum Trace { @TaskLocal static var id = 0 }
        nonisolated(unsafe) var calls = 0
        let all = try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory]) { fields in
                calls += 1
                fields["trace_id"] = Trace.id
            }
            await Trace.$id.withValue(42) {
                await logger.info("m", ["own": 1])
                await logger.debug("not looked at")
            }
            await logger.info("m", ["trace_id": "mine"])
            return memory.records
        }
        #expect(calls == 2)
        #expect(all[0].fields == ["trace_id": .int(42), "own": .int(1)])
        #expect(all[1].fields == ["trace_id": .text("mine")])
    }

    @Test("records of another thread have the fields of that thread's logger and scope")
    func otherThread() throws {
        let loop = try EventLoop.start(name: "log")
        defer { loop.stop() }
        let memory = MemoryHandlerBox()
        try EventLoop.run {
            let logger = await Task(executorPreference: loop) {
                memory.handler = MemoryHandler()
                return Logger("app", handlers: [memory.handler!])
            }.value
            await withLogContext(["scope": "s"]) { await logger.with(["bound": 1]).info("m \(2)", ["own": [1, 2]]) }
            try await logger.flush()
        }
        #expect(
            memory.handler?.records.map(\.fields) == [
                ["scope": .text("s"), "bound": .int(1), "own": .array([.int(1), .int(2)])]
            ])
        #expect(memory.handler?.messages == ["m 2"])
    }
}

/// Unchecked: written by one task before the others start.
final class MemoryHandlerBox: @unchecked Sendable {
    var handler: MemoryHandler?
}
