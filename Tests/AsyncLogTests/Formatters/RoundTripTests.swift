// Any record through any format comes back with the same values from an independent parser.
import AsyncLog
import Glibc
import TestSupport
import Testing

@Suite("Round trips through independent parsers")
struct RoundTripTests {
    private static let count = 1000

    private struct Sample {
        let message: String
        let fields: KeptFields
    }

    private func samples(seed: UInt64, depth: Int = 2) -> [Sample] {
        var random = SeededGenerator(state: seed)
        return (0..<RoundTripTests.count).map { _ in Sample(message: random.text(), fields: random.fields(depth: depth))
        }
    }

    /// Logs the samples in all the ways in which a record gets its fields.
    private func output<Format: Formatter>(_ formatter: Format, _ samples: [Sample]) throws -> [UInt8] {
        try onLoop {
            let collector = Collector(formatter)
            let logger = Logger("app", level: .trace, handlers: [collector], clock: .manual(.fixed))
            for (index, sample) in samples.enumerated() {
                let fields = Fields { for key in sample.fields.keys { $0[FieldKey(key)] = sample.fields[key]! } }
                switch index % 3 {
                case 0: await logger.info("\(sample.message)", fields)
                case 1: await logger.with(fields).info("\(sample.message)")
                default: await withLogContext(fields) { await logger.info("\(sample.message)") }
                }
            }
            return collector.lines.flatMap { $0 }
        }
    }

    private func check(_ format: String, _ output: [UInt8], _ expected: [String]) throws {
        let actual = try Python.run("parse.py", [format], input: output).split(separator: "\n").map(String.init)
        #expect(actual.count == expected.count)
        for (actual, expected) in zip(actual, expected) where actual != expected {
            Issue.record("parsed: \(actual)\nlogged: \(expected)")
            return
        }
    }

    @Test(
        "JSON: one valid object a line, with the same values in the same order, and no key twice",
        .enabled(if: Python.withJSON == nil, "skipped: there is no Python 3"))
    func json() throws {
        let samples = samples(seed: 1)
        let expected = samples.map { sample in
            let head = [
                "74696d65:s" + hex("2026-11-22T08:27:00.123456Z"), "6c6576656c:s" + hex("info"),
                "6c6f67676572:s" + hex("app"),
                "6d657373616765:s" + hex(sample.message),
            ]
            return "{"
                + (head + pairs(sample.fields, asJSON, reserved: ["time", "level", "logger", "message"])).joined(
                    separator: ",") + "}"
        }
        try check("json", output(JSONFormatter(), samples), expected)
    }

    @Test(
        "MessagePack: one map a record, with the same values of the same types",
        .enabled(if: Python.withMessagePack == nil, "skipped: there is no Python 3 with the module msgpack"))
    func messagePack() throws {
        let samples = samples(seed: 2)
        let expected = samples.map { sample in
            let head = [
                "74696d65:m1795336020123456789", "6c6576656c:s" + hex("info"), "6c6f67676572:s" + hex("app"),
                "6d657373616765:s" + hex(sample.message),
            ]
            return "{"
                + (head + pairs(sample.fields, asMessagePack, reserved: ["time", "level", "logger", "message"])).joined(
                    separator: ",") + "}"
        }
        let bytes = try output(MessagePackFormatter(), samples)
        let actual = try Python.run("parse.py", ["msgpack"], input: bytes).split(separator: "\n").map(String.init)
        #expect(actual == expected)
    }

    @Test(
        "logfmt: flat fields come back with the same values, whatever is in them",
        .enabled(if: Python.withJSON == nil, "skipped: there is no Python 3"))
    func logfmt() throws {
        var random = SeededGenerator(state: 3)
        // Keys that logfmt can hold, and values that it can tell apart.
        let samples = (0..<RoundTripTests.count).map { _ in
            let values: [KeptValue] = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                switch Int.random(in: 0..<6, using: &random) {
                case 0: .null
                case 1: .bool(.random(using: &random))
                case 2: .int(random.integer())
                case 3: .double(random.double())
                case 4: .uint(.max)
                default: .text(random.text())
                }
            }
            return Sample(message: random.text(), fields: KeptFields(values.enumerated().map { ("k\($0)", $1) }))
        }
        let expected = samples.map { sample in
            let head = [
                "74696d65:s" + hex("2026-11-22T08:27:00.123456Z"), "6c6576656c:s" + hex("info"),
                "6c6f67676572:s" + hex("app"),
                "6d7367:s" + hex(sample.message),
            ]
            return "{" + (head + pairs(sample.fields, asLogfmt, reserved: [])).joined(separator: ",") + "}"
        }
        try check("logfmt", output(LogfmtFormatter(), samples), expected)
    }

    @Test("text: one line for each record, without a character that controls a terminal")
    func text() throws {
        for (index, line) in try output(TextFormatter(), samples(seed: 4)).split(
            separator: 10, omittingEmptySubsequences: false
        ).dropLast()
            .enumerated()
        {
            let text = String(decoding: line, as: UTF8.self)
            let dangerous = text.unicodeScalars.first { scalar in
                scalar.properties.generalCategory == .control
                    || "\u{2028}\u{2029}\u{202e}\u{2066}\u{200e}\u{61c}".unicodeScalars.contains(scalar)
            }
            #expect(text.hasPrefix("2026-11-22T08:27:00.123456Z INFO app: ") && dangerous == nil, "line \(index)")
        }
    }

    // MARK: The expected values

    private func pairs(_ fields: KeptFields, _ say: (KeptValue) -> String, reserved: Set<String>) -> [String] {
        fields.keys.map { hex(reserved.contains($0) ? $0 + "_" : $0) + ":" + say(fields[$0]!) }
    }

    private func hex(_ text: String) -> String { hex(Array(text.utf8)) }

    private func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private func bits(_ value: Double) -> String {
        let digits = String(value.bitPattern, radix: 16)
        return "d" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    private func asJSON(_ value: KeptValue) -> String {
        switch value {
        case .null: "n"
        case .bool(let value): value ? "t" : "f"
        case .int(let value): "i\(value)"
        case .uint(let value): "i\(value)"
        case .double(let value):
            value.isFinite ? bits(value) : "s" + hex(value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity")
        case .float(let value): bits(Double(value))
        case .text(let text): "s" + hex(text)
        case .date(let date): "s" + hex(rfc3339(date, digits: 6))
        case .duration(let duration): seconds(duration)
        case .bytes(let bytes): "s" + hex(hex(bytes))
        case .array(let values): "[" + values.map(asJSON).joined(separator: ",") + "]"
        case .object(let fields), .error(let fields):
            "{" + pairs(fields, asJSON, reserved: []).joined(separator: ",") + "}"
        }
    }

    private func asMessagePack(_ value: KeptValue) -> String {
        switch value {
        case .double(let value): bits(value)
        case .date(let date): "m\(date.nanoseconds)"
        case .duration(let duration): bits(Double(nanoseconds(duration)) / 1e9)
        case .bytes(let bytes): "b" + hex(bytes)
        case .array(let values): "[" + values.map(asMessagePack).joined(separator: ",") + "]"
        case .object(let fields): "{" + pairs(fields, asMessagePack, reserved: []).joined(separator: ",") + "}"
        default: asJSON(value)
        }
    }

    private func asLogfmt(_ value: KeptValue) -> String {
        if case .double(let value) = value { return value.isNaN ? bits(.nan) : bits(value) }
        return asJSON(value)
    }

    private func nanoseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return Int64(Int128(seconds) * 1_000_000_000 + Int128(attoseconds) / 1_000_000_000)
    }

    /// As a JSON number: an integer if nothing stands behind the point.
    private func seconds(_ duration: Duration) -> String {
        let total = nanoseconds(duration)
        let fraction = total.magnitude % 1_000_000_000
        let whole = (total < 0 ? "-" : "") + "\(total.magnitude / 1_000_000_000)"
        guard fraction > 0 else { return "i\(Int64(whole)!)" }
        let digits = "\(fraction)"
        return bits(strtod(whole + "." + String(repeating: "0", count: 9 - digits.count) + digits, nil))
    }

    /// By the C library's calendar.
    private func rfc3339(_ date: WallTime, digits: Int) -> String {
        var second = time_t(date.nanoseconds / 1_000_000_000)
        var rest = date.nanoseconds % 1_000_000_000
        if rest < 0 {
            rest += 1_000_000_000
            second -= 1
        }
        var parts = tm()
        gmtime_r(&second, &parts)
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { memory in
            strftime(memory.baseAddress!, memory.count, "%Y-%m-%dT%H:%M:%S", &parts)
            return String(cString: memory.baseAddress!)
        }
        let fraction = "\(rest)"
        let all = String(repeating: "0", count: 9 - fraction.count) + fraction
        return text + "." + all.prefix(digits) + "Z"
    }
}
