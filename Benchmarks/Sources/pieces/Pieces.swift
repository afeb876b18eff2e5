// Single pieces of a record's path and of the loop, each measured by itself.
//
//     swift run -c release pieces [--filter REGEX]
//
// Each time shown is that of ten thousand operations: divide by ten thousand for one. Each ten thousand run the loop once;
// `loop: run` shows what that alone costs.
import AsyncFD
import AsyncLog
import Benchmark
import EventLoop
@preconcurrency import Glibc
import SystemPackage

@main
enum Pieces {
    static func main() {
        encoding()
        formatting()
        turning()
        Benchmark.main()
    }

    // MARK: Encoding: the logger's own part, with a handler that ignores its records

    private static func encoding() {
        let logger = Logger("app", handlers: [Ignorer()])
        add("encode: a literal") { _ in logger.info("request handled") }
        add("encode: three interpolated values") { logger.info("request handled id=\($0) status=\(200) path=\("/index.html")") }
        add("encode: a field of a dictionary") { logger.info("request handled", ["id": $0]) }
        add("encode: five fields of a dictionary") { id in
            logger.info("request handled", ["id": id, "status": 200, "path": "/index.html", "duration": 1.125, "cached": true])
        }
        add("encode: five fields of a closure") { id in
            logger.info("request handled") { fields in
                fields["id"] = id
                fields["status"] = 200
                fields["path"] = "/index.html"
                fields["duration"] = 1.125
                fields["cached"] = true
            }
        }
        add("disabled") { logger.debug("request handled id=\($0)") }
    }

    // MARK: Formatting: one record, formatted again and again

    private static func formatting() {
        format("format: text", TextFormatter())
        format("format: JSON", JSONFormatter())
        format("format: logfmt", LogfmtFormatter())
        format("format: MessagePack", MessagePackFormatter())
    }

    private static func format(_ name: String, _ formatter: some Formatter) {
        let logger = Logger("app", handlers: [Repeater(formatter)])
        add(name, times: 1) { _ in
            logger.info("request handled", ["id": 7, "status": 200, "path": "/index.html", "duration": 1.125, "cached": true])
        }
    }

    // MARK: The loop

    private static func turning() {
        benchmark("loop: run") { try EventLoop.run {} }
        benchmark("loop: a turn with one job") { try EventLoop.run { for _ in 0..<batch { await Task.yield() } } }
        benchmark("loop: a byte through a pipe") { try EventLoop.run { try await throughPipe(batch) } }
    }

    private static func throughPipe(_ count: Int) async throws {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: \(Errno(rawValue: errno))")
        let reader = AsyncFD(owning: FileDescriptor(rawValue: ends[0]))
        let writer = AsyncFD(owning: FileDescriptor(rawValue: ends[1]))
        for _ in 0..<count {
            try await writer.write([0x78])
            _ = try await reader.read(upTo: 64)
        }
        await writer.close()
        await reader.close()
    }

    // MARK: Below

    static let batch = 10_000

    /// Calls `body` on a loop, as its user would.
    private static func add(_ name: String, times: Int = batch, _ body: @escaping (Int) -> Void) {
        benchmark(name) {
            try EventLoop.run { for number in 0..<times { body(number) } }
        }
    }
}

/// Takes records and does nothing with them.
private final class Ignorer: Handler, @unchecked Sendable {
    override func handle(_ record: borrowing Record) {}
}

/// Formats each record ten thousand times.
private final class Repeater<Format: Formatter>: Handler, @unchecked Sendable {
    private var formatter: Format
    private var line = LineBuffer()

    init(_ formatter: Format) {
        self.formatter = formatter
        super.init()
    }

    override func handle(_ record: borrowing Record) throws {
        for _ in 0..<Pieces.batch {
            line.clear()
            try formatter.format(record, to: &line)
        }
    }
}
