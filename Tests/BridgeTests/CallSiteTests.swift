// Where a call stands in the source: texts made at run time, which outlive the call only as copies, and are not made
// where no handler reads them.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Logging
import Testing

@Suite("Call sites of swift-log")
struct CallSiteTests {
    /// An event whose texts are on the heap and gone after the call.
    private func event(_ number: Int, source: String? = nil, line: UInt = 7) -> LogEvent {
        LogEvent(
            level: .info, message: "m", metadata: nil, source: source,
            file: "Module\(number)/" + String(repeating: "f", count: 40) + ".swift",
            function: "function\(number)(" + String(repeating: "x", count: 40) + ")", line: line)
    }

    @Test("file, function and line are the caller's, on the loop and from another thread")
    func places() throws {
        let all = try records { backend in
            let logger = backend.logger("app")
            logger.info("here")
            await onThread { logger.info("there") }
            let handler = backend.handler(label: "app")
            for number in 0..<3 { await onThread { [self] in handler.log(event: event(number)) } }
        }
        #expect(
            all[0].file == "BridgeTests/CallSiteTests.swift" && all[0].function == "places()"
                && all[0].line == all[1].line - 1)
        for number in 0..<3 {
            #expect(all[2 + number].file == event(number).file)
            #expect(all[2 + number].function == event(number).function)
        }
    }

    @Test("the source is the caller's module unless the call names another, and a pattern can show it")
    func source() throws {
        let all = try lines(TextFormatter(pattern: TextPattern("[{source}] {message} {line}"))) { backend in
            backend.logger("app").info("m", line: 3)
            backend.logger("app").info("m", source: "Other", line: 4)
            backend.handler(label: "app").log(event: event(1, line: 5))
            backend.logger.info("m", line: 6)
        }
        #expect(all == ["[BridgeTests] m 3", "[Other] m 4", "[Module1] m 5", "[BridgeTests] m 6"])
    }

    @Test("a handler that reads no call site gets none; one that is added later and reads it, is")
    func onDemand() throws {
        final class Indifferent: Handler, @unchecked Sendable {
            private(set) var files: [String] = []
            override var callSiteParts: CallSite.Parts { [] }
            override func handle(_ record: borrowing Record) { files.append(String(record.callSite.file)) }
        }
        try EventLoop.run {
            let indifferent = Indifferent()
            let backend = AsyncLogBackend(AsyncLog.Logger("", handlers: [indifferent]))
            let logger = backend.logger("app")
            logger.info("m")
            let memory = MemoryHandler()
            backend.logger.add(memory)
            logger.info("m")
            #expect(indifferent.files == ["", "BridgeTests/CallSiteTests.swift"])
            #expect(memory.records.map(\.file) == ["BridgeTests/CallSiteTests.swift"])
        }
    }

    @Test("a record that is kept has its own copy of texts that are gone")
    func keptRecords() throws {
        let files = try EventLoop.run {
            let memory = MemoryHandler()
            let recorder = FlightRecorder(of: 1 << 16, dumpingTo: memory)
            let handler = AsyncLogBackend(AsyncLog.Logger("", handlers: [recorder])).handler(label: "app")
            for number in 0..<3 { handler.log(event: event(number, source: "Source\(number)")) }
            recorder.dump()
            return memory.records.map(\.file)
        }
        #expect(files == (0..<3).map { event($0).file })
    }

    @Test("a sampler counts by call site, though the file's name is at another address each time")
    func samplers() throws {
        let all = try EventLoop.run {
            let memory = MemoryHandler()
            let logger = AsyncLog.Logger("", handlers: [memory]).once
            let handler = AsyncLogBackend(logger).handler(label: "app")
            for _ in 0..<3 {
                for number in 0..<2 { handler.log(event: event(number)) }
                handler.log(event: event(0, line: 8))
                await onThread { [self] in handler.log(event: event(2)) }
            }
            try await logger.flush()
            return memory.records
        }
        #expect(all.map { "\($0.file.prefix(7)) \($0.line)" } == ["Module0 7", "Module1 7", "Module0 8", "Module2 7"])
    }

    @available(*, deprecated, message: "of swift-log's deprecated entry")
    @Test("the entry that swift-log has deprecated still logs everything")
    func deprecated() throws {
        let all = try lines(
            TextFormatter(pattern: TextPattern("{level} [{source}] {message}{fields} {file} {function} {line}"))
        ) { backend in
            backend.handler(label: "app").log(
                level: .warning, message: "m", metadata: ["a": "b"], source: "Source", file: "M/F.swift",
                function: "f()", line: 3)
        }
        #expect(all == ["WARNING [Source] m a=b M/F.swift f() 3"])
    }
}
