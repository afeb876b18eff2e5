// Records with so many fields, and loggers with such names, that work which grows with the square of their number would
// hold up the loop.
import AsyncLog
import EventLoop
import TestSupport
import Testing

extension String {
    /// Into how many parts the separator divides it.
    fileprivate func components(of separator: String) -> Int {
        split(separator: separator, omittingEmptySubsequences: false).count
    }
}

@Suite("Many fields and long names")
struct ManyFieldsTests {
    private static let limit = RecordLimits.fields

    /// Fields `key0`, `key1`, …
    private static func write(_ numbers: Range<Int>, to fields: inout FieldWriter) {
        for number in numbers { fields[FieldKey("key\(number)")] = number }
    }

    @Test(
        "of too many fields the first ones are kept, and a field states how many are left out",
        arguments: [1023, 1024, 1025, 50_000])
    func limit(count: Int) throws {
        let record = try records { logger in
            await logger.info("m") { ManyFieldsTests.write(0..<count, to: &$0) }
        }[0]
        let kept = min(count, ManyFieldsTests.limit)
        #expect(record.fields.count == kept + (count > kept ? 1 : 0))
        for number in 0..<kept { #expect(record.fields["key\(number)"] == .int(Int64(number))) }
        #expect(record.fields["fields_left_out"] == (count > kept ? .int(Int64(count - kept)) : nil))
    }

    @Test("objects within a record, bound fields and fields of a scope have the same limit")
    func places() throws {
        let all = try records { logger in
            await logger.info("object") { $0.object("o") { ManyFieldsTests.write(0..<2000, to: &$0) } }
            await logger.with(Fields { ManyFieldsTests.write(0..<2000, to: &$0) }).info("bound")
            await withLogContext(Fields { ManyFieldsTests.write(0..<2000, to: &$0) }) { await logger.info("scope") }
        }
        guard case .object(let object) = all[0].fields["o"] else { throw Unexpected("no object") }
        for fields in [object, all[1].fields, all[2].fields] {
            #expect(fields.count == ManyFieldsTests.limit + 1)
            #expect(fields["fields_left_out"] == .int(Int64(2000 - ManyFieldsTests.limit)))
        }
    }

    @Test("a logger that is bound to one field after the other counts those that are left out")
    func chain() throws {
        let record = try records { logger in
            var logger = logger
            for number in 0..<1100 { logger = logger.with(Fields { $0[FieldKey("key\(number)")] = number }) }
            await logger.info("m")
        }[0]
        #expect(record.fields.count == ManyFieldsTests.limit + 1)
        #expect(record.fields["fields_left_out"] == .int(Int64(1100 - ManyFieldsTests.limit)))
        #expect(record.fields["key0"] == .int(0) && record.fields["key1023"] == .int(1023))
    }

    @Test("a field of the program with the mark's name does not stay beside it")
    func mark() throws {
        let line = try lines(JSONFormatter()) { logger in
            await logger.info("m") { fields in
                fields[FieldKey("fields_left_out")] = "mine"
                ManyFieldsTests.write(0..<2000, to: &fields)
            }
        }[0]
        #expect(line.components(of: "\"fields_left_out\":") == 2)
        #expect(line.hasSuffix(",\"fields_left_out\":977}"))
    }

    @Test("fields that are added all at once have the limit, too")
    func contentsOf() throws {
        let record = try records { logger in
            let hundred = Fields { ManyFieldsTests.write(0..<100, to: &$0) }
            let thousand = Fields { ManyFieldsTests.write(100..<1100, to: &$0) }
            await logger.info("m") { fields in
                fields.append(contentsOf: hundred)
                fields.append(contentsOf: thousand)
            }
        }[0]
        #expect(record.fields.count == ManyFieldsTests.limit + 1)
        #expect(record.fields["fields_left_out"] == .int(76))
    }

    @Test("among many fields, too, the last one with a key counts, in every combination of places")
    func repeated() throws {
        let all = try records { logger in
            await logger.info("call") { fields in
                ManyFieldsTests.write(0..<500, to: &fields)
                for number in stride(from: 0, to: 500, by: 7) { fields[FieldKey("key\(number)")] = "again" }
            }
            let bound = logger.with(Fields { ManyFieldsTests.write(0..<500, to: &$0) })
            await bound.info("bound") {
                for number in stride(from: 0, to: 500, by: 7) { $0[FieldKey("key\(number)")] = "again" }
            }
            await withLogContext(Fields { ManyFieldsTests.write(0..<500, to: &$0) }) {
                await logger.info("scope") {
                    for number in stride(from: 0, to: 500, by: 7) { $0[FieldKey("key\(number)")] = "again" }
                }
            }
            await bound.with(
                Fields { for number in stride(from: 0, to: 500, by: 7) { $0[FieldKey("key\(number)")] = "again" } }
            ).info("both")
        }
        for record in all {
            #expect(record.fields.count == 500, "\(record.message)")
            for number in 0..<500 {
                #expect(
                    record.fields["key\(number)"] == (number % 7 == 0 ? .text("again") : .int(Int64(number))),
                    "\(record.message)")
            }
        }
    }

    /// The processor time that `body` takes on this thread.
    private static func time(_ body: () -> Void) -> Duration { ThreadClock.measure(body) }

    @Test("ten times the fields take about ten times as long, not a hundred times")
    func effort() throws {
        try onLoop {
            let logger = Logger("app", handlers: [Collector(JSONFormatter())])
            let keys = (0..<20_000).map { FieldKey("a key that is a bit longer \($0)") }
            func log(_ count: Int) { logger.nowait.info("m") { for key in keys[..<count] { $0[key] = 1 } } }
            log(2000)
            let few = (0..<5).map { _ in ManyFieldsTests.time { log(2000) } }.min()!
            let many = (0..<3).map { _ in ManyFieldsTests.time { log(20_000) } }.min()!
            #expect(many < few * 25, "\(few), \(many)")
        }
    }

    @Test("a name with very many dots is cut, with a mark, and takes no time")
    func names() throws {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory])
            let name = String(repeating: "a.", count: 50_000) + "end"
            var child: Logger?
            #expect(ManyFieldsTests.time { child = logger[name] } < .milliseconds(500))
            await child?.info("m")
            let full = memory.records[0].logger
            #expect(
                full.utf8.count <= RecordLimits.nameLength && full.hasPrefix("app.a.a.a.")
                    && full.hasSuffix(" bytes cut]"))
            #expect(logger[name].name == full)
            #expect(
                Logger(String(repeating: "Ü", count: 400), handlers: [memory]).name.utf8.count
                    <= RecordLimits.nameLength)
            #expect(logger[String(repeating: "b", count: RecordLimits.nameLength - 4)].name.hasSuffix("bbbb"))
        }
    }
}
