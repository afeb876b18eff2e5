// The entry point of all targets: the environment variable FUZZ_TARGET selects one.
//
// A target makes a record from the fuzzer's bytes (RandomRecord does the same from a random number), formats it with
// every formatter, and checks the output with a checker that knows only the format. A failed check is a crash, which
// the fuzzer reports.
import AsyncLog
import EventLoop
import Glibc
import Synchronization

private let target = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? "directives"

/// Each input is tried within a turn of this loop: there a record reaches its handlers before the call returns.
private let loop: EventLoop = {
    do { return try EventLoop.embedded(name: "fuzz") } catch { fatalError("\(error)") }
}()

/// libFuzzer calls this function for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let isTried = Atomic<Bool>(false)
    loop.perform {
        tryInput(bytes)
        isTried.store(true, ordering: .relaxed)
    }
    while !isTried.load(ordering: .relaxed) { _ = loop.runOnce() }
    return 0
}

private func tryInput(_ bytes: [UInt8]) {
    switch target {
    case "directives": fuzzDirectives(bytes)
    case "pattern": fuzzPattern(bytes)
    case "text": fuzz(bytes, TextFormatter()) { checkOneLine($0) }
    case "console": fuzz(bytes, ConsoleFormatter(color: .never, width: 60)) { checkLines($0) }
    case "json": fuzz(bytes, JSONFormatter(include: [.time, .level, .logger, .message, .sequence])) { checkJSON($0) }
    case "logfmt": fuzz(bytes, LogfmtFormatter()) { checkOneLine($0) }
    case "msgpack": fuzz(bytes, MessagePackFormatter()) { checkMessagePack($0) }
    default: fatalError("FUZZ_TARGET=\(target): directives, pattern, text, console, json, logfmt, msgpack")
    }
}

private func fuzzDirectives(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(DirectiveError) {
        let logger = fuzzLogger(LineKeeper(TextFormatter()))
        logger.apply(try Directives(text))
        logger["net.http"].debug("m", ["user": 7])
    } catch {
        precondition(
            error.range.lowerBound >= 0 && error.range.lowerBound <= text.utf8.count && !error.description.isEmpty)
    }
}

private func fuzzPattern(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(PatternError) {
        let keeper = LineKeeper(TextFormatter(pattern: try TextPattern(text)))
        fuzzLogger(keeper).info("m\n", ["a": 1, "b": "x y"])
    } catch {
        precondition(error.offset >= 0 && error.offset <= text.utf8.count && !error.description.isEmpty)
    }
}

// MARK: Records

private func fuzz<Format: Formatter>(_ bytes: [UInt8], _ formatter: Format, _ check: ([UInt8]) -> Void) {
    let keeper = LineKeeper(formatter)
    let logger = fuzzLogger(keeper)
    var source = Source(bytes: bytes)
    let message = source.text()
    let bound = Bool(source.next() & 1 == 1)
    let fields = Fields { source.fields(&$0, depth: 3) }
    if bound { logger.with(fields).info("\(message)") } else { logger.info("\(message)", fields) }
    for line in keeper.lines { check(line) }
    precondition(keeper.lines.count == 1)
}

private func fuzzLogger(_ handler: Handler) -> Logger {
    Logger("fuzz", level: .trace, handlers: [handler], clock: .manual(ManualLogClock()))
}

private final class LineKeeper<Format: Formatter>: Handler, @unchecked Sendable {
    private var formatter: Format
    private(set) var lines: [[UInt8]] = []

    init(_ formatter: Format) {
        self.formatter = formatter
        super.init()
    }

    override func handle(_ record: borrowing Record) throws {
        var line = LineBuffer()
        try formatter.format(record, to: &line)
        lines.append(Array(line.bytes))
    }
}

/// Choices made from the fuzzer's bytes.
private struct Source {
    let bytes: [UInt8]
    var at = 0

    mutating func next() -> UInt8 {
        guard at < bytes.count else { return 0 }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func number() -> UInt64 { (0..<8).reduce(0) { number, _ in number << 8 | UInt64(next()) } }

    mutating func text() -> String {
        let count = min(Int(next()), bytes.count - at)
        defer { at += count }
        return String(decoding: bytes[at..<at + count], as: UTF8.self)
    }

    mutating func fields(_ fields: inout FieldWriter, depth: Int) {
        while at < bytes.count, next() != 0 {
            let key = FieldKey(text())
            var source = self
            fields.value(key) { source.value(&$0, depth: depth) }
            self = source
        }
    }

    mutating func value(_ encoder: inout ValueEncoder, depth: Int) {
        switch next() % (depth > 0 ? 12 : 10) {
        case 0: encoder.encodeNull()
        case 1: encoder.encode(next() & 1 == 1)
        case 2: encoder.encode(Int64(bitPattern: number()))
        case 3: encoder.encode(number())
        case 4: encoder.encode(Double(bitPattern: number()))
        case 5: encoder.encode(Float(bitPattern: UInt32(truncatingIfNeeded: number())))
        case 6: encoder.encode(text())
        case 7: encoder.encode(WallTime(nanoseconds: Int64(bitPattern: number())))
        case 8: encoder.encode(Duration.nanoseconds(Int64(bitPattern: number())))
        case 9: Array(text().utf8).withUnsafeBytes { encoder.encode(bytes: $0) }
        case 10:
            var source = self
            encoder.encodeArray {
                for _ in 0..<source.next() % 20 { $0.append(Chosen(source: &source, depth: depth - 1)) }
            }
            self = source
        default:
            var source = self
            encoder.encodeObject { source.fields(&$0, depth: depth - 1) }
            self = source
        }
    }

    /// An element of a list: a number or a text.
    struct Chosen: LogValue {
        let text: String
        init(source: inout Source, depth: Int) { text = source.text() }
        func encode(to encoder: inout ValueEncoder) { encoder.encode(text) }
    }
}
