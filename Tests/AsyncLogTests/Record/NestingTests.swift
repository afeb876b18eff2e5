// Values that are nested without end, or so deeply that following them would overflow the stack.
import AsyncLog
import TestSupport
import Testing

@Suite("Deeply nested values")
struct NestingTests {
    private static let mark = "…[nested deeper than 64]"

    /// `depth` nested objects, each made only when it is encoded.
    private struct Nest: LogValue {
        let depth: Int

        func encode(to encoder: inout ValueEncoder) {
            guard depth > 0 else { return encoder.encode("core") }
            encoder.encodeObject { $0["x"] = Nest(depth: depth - 1) }
        }
    }

    /// A list that contains itself.
    private final class Loop: LogValue {
        func encode(to encoder: inout ValueEncoder) {
            encoder.encodeArray { $0.append(self) }
        }
    }

    /// An object that contains itself.
    private final class Ring: LogValue {
        func encode(to encoder: inout ValueEncoder) {
            encoder.encodeObject { fields in
                fields.object("x") { $0["x"] = self }
            }
        }
    }

    /// Fields that were made from the inside out: encoded before their depth can be known.
    private static func fields(_ depth: Int) -> Fields {
        var fields: Fields = ["x": "core"]
        for _ in 1..<depth {
            let inner = fields
            fields = Fields { $0["x"] = inner }
        }
        return fields
    }

    /// The depth of the value `x` of the last record, and what is at its core.
    private static func depth(_ value: KeptValue?) -> (Int, KeptValue?) {
        var (depth, value) = (0, value)
        while true {
            switch value {
            case .object(let fields): value = fields["x"]
            case .array(let values): value = values.first
            default: return (depth, value)
            }
            depth += 1
        }
    }

    @Test("sixty-four levels are kept, and a mark stands in place of more, however the value is made")
    func limit() throws {
        let all = try records { logger in
            await logger.info("exact", ["x": Nest(depth: 64)])
            await logger.info("one more", ["x": Nest(depth: 65)])
            await logger.info("many", ["x": Nest(depth: 1_000_000)])
            await logger.info("list", ["x": Loop()])
            await logger.info("ring", ["x": Ring()])
            await logger.info("closure") { $0["x"] = Nest(depth: 1_000_000) }
            await logger.info("fields", ["x": NestingTests.fields(2000)])
            await logger.with(["x": NestingTests.fields(2000)]).info("bound")
            await logger.info("beside", ["x": Nest(depth: 1_000_000), "y": Nest(depth: 1)])
        }
        for record in all {
            let (depth, core) = NestingTests.depth(record.fields["x"])
            #expect(depth == RecordLimits.nesting, "\(record.message)")
            #expect(core == .text(record.message == "exact" ? "core" : NestingTests.mark), "\(record.message)")
        }
        #expect(all.last?.fields["y"] == .object(["x": .text("core")]))
    }

    @Test("a record that is logged in the depth of another one's value has all of its own depth")
    func inner() throws {
        struct Logging: LogValue {
            let audit: Logger
            let depth: Int

            func encode(to encoder: inout ValueEncoder) {
                guard depth > 0 else {
                    audit.info("inner", ["x": Nest(depth: 64)])
                    return encoder.encode("core")
                }
                encoder.encodeObject { $0["x"] = Logging(audit: audit, depth: depth - 1) }
            }
        }
        try onLoop {
            let (memory, aside) = (MemoryHandler(), MemoryHandler())
            let value = Logging(audit: Logger("audit", handlers: [aside]), depth: 60)
            await Logger("app", handlers: [memory]).info("outer", ["x": value, "y": Nest(depth: 64)])
            #expect(NestingTests.depth(aside.records.first?.fields["x"]) == (64, .text("core")))
            #expect(NestingTests.depth(memory.records.first?.fields["x"]) == (60, .text("core")))
            #expect(NestingTests.depth(memory.records.first?.fields["y"]) == (64, .text("core")))
        }
    }

    @Test("every format ends a deeply nested value with the mark")
    func formats() throws {
        func check(_ formatter: some Formatter, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let fields = NestingTests.fields(2000)
            let lines = try onLoop {
                let collector = Collector(formatter)
                let logger = Logger("app", handlers: [collector])
                await logger.info("object", ["x": fields])
                await logger.info("list", ["x": Loop()])
                return collector.lines.map { String(decoding: $0, as: UTF8.self) }
            }
            for line in lines {
                #expect(line.contains("nested deeper than 64"), "\(line)", sourceLocation: sourceLocation)
            }
            #expect(lines.count == 2, sourceLocation: sourceLocation)
        }
        try check(TextFormatter())
        try check(LogfmtFormatter())
        try check(JSONFormatter())
        try check(MessagePackFormatter())
        try check(ConsoleFormatter(color: .never))
        try check(SyslogFormatter(.rfc5424))
        try check(SyslogFormatter(.rfc3164))
    }

    @Test("a chain of causes that does not end is no deeper than other values")
    func errors() throws {
        struct Endless: CausedError { var cause: (any Error)? { Endless() } }
        let lines = try lines(ConsoleFormatter(color: .never)) { $0.exception(Endless(), "failed") }
        #expect(lines.count == 1 && lines[0].split(separator: "\n").count <= 1 + RecordLimits.nesting)
    }
}
