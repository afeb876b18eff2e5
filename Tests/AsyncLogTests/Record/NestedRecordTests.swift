// A record is made while another one is alive: by a filter, a formatter, a handler, a report, or a value that is being
// converted. Each must come out as it was logged. Run these under AddressSanitizer, too.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Records made while another one is alive")
struct NestedRecordTests {
    /// Far more than a thread's memory for texts holds at first, and enough for the allocator to move it.
    private static let long = String(repeating: "0123456789abcdef", count: 16_384)

    /// Logs elsewhere, and makes fields and a message without logging them.
    private struct Disturbance: Sendable {
        let audit: AsyncLog.Logger

        func happen() {
            audit.info("audit \(NestedRecordTests.long)", ["long": NestedRecordTests.long, "n": 1])
            let fields: Fields = ["long": NestedRecordTests.long]
            let message: LogMessage = "kept \(NestedRecordTests.long)"
            audit.info(message, fields)
        }
    }

    /// The record that is logged, and the record that must arrive.
    private static func logAndCheck(
        _ logger: Logger, _ memory: MemoryHandler, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        for number in 0..<3 {
            await logger.info(
                "number \(number), half of it \(Double(number) / 2)",
                ["number": number, "text": "a text \(number)", "list": [1, number]])
        }
        for (number, record) in memory.records.enumerated() {
            #expect(
                record.message == "number \(number), half of it \(Double(number) / 2)", sourceLocation: sourceLocation)
            #expect(
                record.fields
                    == [
                        "number": .int(Int64(number)), "text": .text("a text \(number)"),
                        "list": .array([.int(1), .int(Int64(number))]),
                    ],
                sourceLocation: sourceLocation)
        }
        #expect(memory.records.count == 3, sourceLocation: sourceLocation)
    }

    private static func checkAudit(_ memory: MemoryHandler, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(!memory.records.isEmpty, sourceLocation: sourceLocation)
        for record in memory.records {
            #expect(
                record.message.hasSuffix(long) && record.fields["long"] == .text(long), sourceLocation: sourceLocation)
        }
    }

    @Test("a filter that logs leaves the record that it looks at alone", arguments: [true, false])
    func filter(ofTheLogger: Bool) throws {
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let disturbance = Disturbance(audit: Logger("audit", handlers: [aside]))
            let logger = Logger("app", handlers: [memory])
            let filter = Filter { _ in
                disturbance.happen()
                return true
            }
            if ofTheLogger { logger.add(filter) } else { memory.add(filter) }
            await NestedRecordTests.logAndCheck(logger, memory)
            NestedRecordTests.checkAudit(aside)
        }
    }

    private struct LoggingFormatter: Formatter {
        let disturbance: Disturbance

        func format(_ record: borrowing Record, to line: inout LineBuffer) {
            disturbance.happen()
            line.appendEscaped(record.message)
            line.append("\n")
        }
    }

    @Test("a formatter that logs leaves the record that it lays out, and the next handler's, alone")
    func formatter() throws {
        let sink = try Sink()
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let formatter = LoggingFormatter(disturbance: Disturbance(audit: Logger("audit", handlers: [aside])))
            let logger = Logger("app", handlers: [StreamHandler(sink.descriptor, formatter: formatter), memory])
            await NestedRecordTests.logAndCheck(logger, memory)
            NestedRecordTests.checkAudit(aside)
        }
        #expect(sink.lines() == (0..<3).map { "number \($0), half of it \(Double($0) / 2)" })
    }

    private final class LoggingHandler: Handler, @unchecked Sendable {
        let disturbance: Disturbance

        init(_ disturbance: Disturbance) {
            self.disturbance = disturbance
            super.init()
        }

        override func handle(_ record: borrowing Record) { disturbance.happen() }
    }

    @Test("a handler that logs leaves the next handler's record alone")
    func handler() throws {
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let logger = Logger(
                "app", handlers: [LoggingHandler(Disturbance(audit: Logger("audit", handlers: [aside]))), memory])
            await NestedRecordTests.logAndCheck(logger, memory)
            NestedRecordTests.checkAudit(aside)
        }
    }

    /// Logs while it is being converted.
    private struct LoggingValue: LogValue {
        let disturbance: Disturbance
        let number: Int

        func encode(to encoder: inout ValueEncoder) {
            let before: Fields = ["made": "before"]
            disturbance.happen()
            disturbance.audit.info("inner", ["long": NestedRecordTests.long, "before": before])
            encoder.encodeObject { fields in
                fields["first"] = number
                disturbance.happen()
                fields["second"] = "\(number)"
                fields["before"] = before
            }
        }
    }

    @Test("a value that logs while it is converted leaves its own record alone, and others that are alive")
    func value() throws {
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let disturbance = Disturbance(audit: Logger("audit", handlers: [aside]))
            let logger = Logger("app", handlers: [LoggingHandler(disturbance), memory])
            for number in 0..<3 {
                let value = LoggingValue(disturbance: disturbance, number: number)
                await logger.info("number \(number)", ["in front": number, "value": value, "behind": "it \(number)"])
                await logger.info("number \(number)") { fields in
                    fields["in front"] = number
                    fields["value"] = value
                    fields["behind"] = "it \(number)"
                }
            }
            #expect(memory.records.count == 6)
            for (index, record) in memory.records.enumerated() {
                let number = index / 2
                #expect(record.message == "number \(number)")
                let value: KeptFields = [
                    "first": .int(Int64(number)), "second": .text("\(number)"),
                    "before": .object(["made": .text("before")]),
                ]
                #expect(
                    record.fields == [
                        "in front": .int(Int64(number)), "value": .object(value), "behind": .text("it \(number)"),
                    ])
            }
            #expect(
                aside.records.filter { $0.message == "inner" }.allSatisfy {
                    $0.fields["before"] == .object(["made": .text("before")])
                })
        }
    }

    @Test(
        "a report of dropped records, made while the next handler is still to get the record, leaves that record alone")
    func report() throws {
        let pipe = try Pipe(size: 65_536)
        try onLoop {
            let memory = MemoryHandler()
            let stream = StreamHandler(
                pipe.descriptor, formatter: Fastidious(), capacity: 4096, reserve: 0, overflow: .dropNewest)
            let logger = Logger("app", handlers: [stream, memory])
            // All in one turn of the loop: the buffer is written, and the report is made, when the next record finds it
            // full.
            for number in 0..<400 {
                logger.nowait.info("number \(number)", ["number": number, "text": "a text \(number)"])
            }
            #expect(String(decoding: pipe.drain(), as: UTF8.self).contains("records dropped here"))
            for (number, record) in memory.records.enumerated() {
                #expect(record.message == "number \(number)")
                #expect(record.fields == ["number": .int(Int64(number)), "text": .text("a text \(number)")])
            }
        }
    }

    /// Refuses every tenth record, and makes a report take much of the thread's memory for texts.
    private struct Fastidious: Formatter {
        struct Refusal: Error {}

        func format(_ record: borrowing Record, to line: inout LineBuffer) throws {
            if case .int(let number) = record.value("number"), number % 10 == 9 { throw Refusal() }
            if record.value("dropped") != nil { _ = Fields { $0["text"] = NestedRecordTests.long } }
            line.appendEscaped(record.message)
            line.appendBlanks(100)
            line.append("\n")
        }
    }

    @Test("fields and messages made in a filter, and logged later in it, keep their values")
    func keptInFilter() throws {
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let audit = Logger("audit", handlers: [aside])
            let logger = Logger("app", handlers: [memory])
            logger.add(
                Filter { record in
                    let fields: Fields = ["of": String(record.message), "nested": ["a": 1] as Fields]
                    let message: LogMessage = "looked at \(String(record.message))"
                    audit.info("\(NestedRecordTests.long)")
                    let large: Fields = ["long": NestedRecordTests.long]
                    audit.info(message, fields)
                    audit.info("large", large)
                    return true
                })
            await NestedRecordTests.logAndCheck(logger, memory)
            for number in 0..<3 {
                let message = "number \(number), half of it \(Double(number) / 2)"
                #expect(aside.records[3 * number + 1].message == "looked at \(message)")
                #expect(
                    aside.records[3 * number + 1].fields == ["of": .text(message), "nested": .object(["a": .int(1)])])
                #expect(aside.records[3 * number + 2].fields == ["long": .text(NestedRecordTests.long)])
            }
        }
    }

    @Test(
        "a writer of fields that is used while another record is being written ends the program, and corrupts nothing")
    func writerOfAnotherRecord() throws {
        let error = try Pipe()
        let child = try ChildProcess("LogProgram", ["misused-writer"], error: .descriptor(error.writer))
        error.closeWriter()
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        let end = try child.wait()
        #expect(end == .signalled(SIGILL) || end == .signalled(SIGTRAP), "\(end)")
        #expect(text.contains("a FieldWriter must not be used while another record is being written"), "\(text)")
    }

    @Test(
        "fields that are made in the middle of a record, used twice, kept, and logged with another one, keep their values"
    )
    func usedTwice() throws {
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let audit = Logger("audit", handlers: [aside])
            let logger = Logger("app", handlers: [memory])
            var kept: Fields = .none
            logger.nowait.info("outer") { outer in
                let twice: Fields = ["a": 1, "text": "of its own"]
                outer["first"] = twice
                audit.nowait.info("inner") { inner in
                    kept = ["b": 2]
                    inner["twice"] = twice
                }
                outer["long"] = NestedRecordTests.long
                outer["second"] = twice
                audit.nowait.info("later", kept)
            }
            let twice = KeptValue.object(["a": .int(1), "text": .text("of its own")])
            #expect(
                memory.records[0].fields == ["first": twice, "long": .text(NestedRecordTests.long), "second": twice])
            #expect(aside.records.map(\.fields) == [["twice": twice], ["b": .int(2)]])
        }
    }
}
