// Metadata that is nested very deeply, or has very many entries.
import AsyncLog
import AsyncLogBridge
import Glibc
import Logging
import Testing

@Suite("Large metadata of swift-log")
struct LargeMetadataTests {
    @Test("metadata that is nested 10,000 deep ends after sixty-four levels, with a mark", arguments: [true, false])
    func nesting(isDictionary: Bool) throws {
        let all = try records { backend in
            var value: Logging.Logger.MetadataValue = "core"
            for _ in 0..<10_000 { value = isDictionary ? .dictionary(["x": value]) : .array([value]) }
            var logger = backend.logger("app")
            logger.info("call", metadata: ["x": value])
            logger[metadataKey: "x"] = value
            logger.info("constant")
        }
        #expect(all.count == 2)
        for record in all {
            var (depth, value) = (0, record.fields["x"])
            while true {
                if case .object(let fields) = value {
                    value = fields["x"]
                } else if case .array(let values) = value {
                    value = values.first
                } else {
                    break
                }
                depth += 1
            }
            #expect(depth == RecordLimits.nesting)
            #expect(value == .text("…[nested deeper than 64]"))
        }
    }

    @Test("many entries are in the order of their keys, up to the limit, and sorting them is quick")
    func many() throws {
        var metadata = Logging.Logger.Metadata()
        for number in 0..<50_000 {
            metadata["key of some length \(100_000 + number)"] = number % 2 == 0 ? "text" : .stringConvertible(number)
        }
        let all = try records { [metadata] backend in
            let begin = clock()
            backend.logger("app").info("m", metadata: metadata)
            #expect(Double(clock() - begin) / Double(CLOCKS_PER_SEC) < 5)
        }
        #expect(
            all[0].fields.keys == (0..<RecordLimits.fields).map { "key of some length \(100_000 + $0)" } + [
                "fields_left_out"
            ])
        #expect(all[0].fields["fields_left_out"] == .int(Int64(50_000 - RecordLimits.fields)))
        #expect(all[0].fields["key of some length 100001"] == .int(1))
    }
}
