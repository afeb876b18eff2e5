// What loggers, handlers and formatters leave behind when they are freed, and what they may still report: one scenario
// each.
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc

/// The ways of `LogProgram lifetimes WAY [COUNT]`. Each of the counting ways prints by how many bytes the process has
/// grown.
enum Lifetimes {
    static func happen(_ way: String, _ count: Int) throws {
        switch way {
        case "limited-tree-goes": try EventLoop.run { try await limitedTreeGoes() }
        case "recorder-as-fallback": try EventLoop.run(clock: ManualClock()) { try await recorderAsFallback() }
        case "formatters": try grow(count) { makeFormatters() }
        case "limited": try grow(count) { useLimitedLogger() }
        case "labels":
            let root = Logger("", handlers: [MemoryHandler(capacity: 1)])
            var label = 0
            try grow(count) {
                label += 1
                root["service.\(label)"].debug("no handler takes it")
            }
            try EventLoop.run { await print("kept", root.level) }
        case "labels-of-threads":
            let loop = try EventLoop.start(name: "threads")
            defer { loop.stop() }
            let root = loop.performAndWait { Logger("", handlers: [MemoryHandler(capacity: 1)]) }
            var label = 0
            try grow(count) {
                label += 1
                root["service.\(label)"].info("from another thread")
            }
        case "throwing": try EventLoop.run { await throwForgedText() }
        case "exit-with-batch":
            try EventLoop.run {
                let logger = Logger("app", handlers: [Batch()])
                for _ in 0..<3 { await logger.info("m") }
                exit(3)
            }
        default: fputs("no such way: \(way)\n", stderr)
        }
    }

    // MARK: Reports after others have been freed

    /// All loggers of the tree have gone, and the limit's report is still due.
    private static func limitedTreeGoes() async throws {
        let memory = MemoryHandler()
        for number in 0..<50 {
            repeatItself(Logger("app\(number)", handlers: [memory]).limited(to: 1, per: .milliseconds(20)))
        }
        // Other objects take the memory of what has gone.
        var others: [[UInt8]] = []
        for size in 0..<2000 { others.append([UInt8](repeating: 0xAA, count: 16 + size % 400)) }
        while memory.records.count < 100 { try await EventLoop.sleep(for: .milliseconds(5)) }
        let reports = memory.records.filter { $0.fields["suppressed"] == .int(4) }
        await print("reports \(reports.count) \(Set(reports.map(\.logger)).count) \(others.count)")
    }

    private static func repeatItself(_ logger: Logger) {
        for _ in 0..<5 { logger.warning("the same") }
    }

    /// A trouble is reported to a recorder, which keeps the record for longer than whatever made it.
    private static func recorderAsFallback() async throws {
        let memory = MemoryHandler()
        let recorder = FlightRecorder(of: 1 << 16, dumpingTo: memory, on: .critical)
        let full = try await open("/dev/full", .writeOnly)
        var others: [[UInt8]] = []
        for _ in 0..<20 {
            let handler = StreamHandler(full, formatter: TextFormatter())
            handler.reportTroubles(to: recorder)
            for size in 0..<2000 { others.append([UInt8](repeating: 0xAA, count: size % 400)) }
            await Logger("app", handlers: [handler]).info("m")
        }
        try await EventLoop.sleep(for: .seconds(2))
        recorder.dump()
        await print("reports \(memory.records.count) \(Set(memory.records.map(\.logger)))")
    }

    /// Keeps what it is given until it is flushed.
    private final class Batch: Handler, @unchecked Sendable {
        private var count = 0
        override func handle(_ record: borrowing Record) throws { count += 1 }
        override var pendingRecords: Int { count }
        override func flush(_ mode: FlushMode) async throws(IOError) { count = 0 }
        override func abandonPending() { count = 0 }
    }

    // MARK: Made and dropped

    /// Prints by how many bytes the process grows while `body` is called `count` times, once all that can be kept for
    /// the next time is kept.
    private static func grow(_ count: Int, _ body: @escaping () -> Void) throws {
        nonisolated(unsafe) let body = body
        try EventLoop.run {
            func round(_ count: Int) async {
                for number in 0..<count {
                    body()
                    if number % 1000 == 0 { await Task.yield() }
                }
                try? await EventLoop.sleep(for: .milliseconds(50))
            }
            await round(2000)
            let before = residentBytes
            await round(count)
            await print("grown", residentBytes - before)
        }
    }

    private static var residentBytes: Int {
        var text = [UInt8](repeating: 0, count: 256)
        let file = Glibc.open("/proc/self/statm", O_RDONLY)
        defer { close(file) }
        let count = read(file, &text, text.count)
        let words = String(decoding: text.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
        return (Int(words[1]) ?? 0) * Int(getpagesize())
    }

    private static func makeFormatters() {
        _ = JSONFormatter()
        _ = TextFormatter()
        _ = ConsoleFormatter()
        _ = LogfmtFormatter()
        _ = MessagePackFormatter()
        _ = SyslogFormatter(app: "app")
    }

    private static let memory = MemoryHandler(capacity: 1)
    private static let shared = Logger("app", handlers: [memory])

    private static func useLimitedLogger() {
        let limited = shared.limited(to: 1, per: .seconds(3600))
        for _ in 0..<3 { limited.info("the same") }
        for _ in 0..<2 { shared.once.info("once") }
        for _ in 0..<3 { shared.deduplicated(within: .seconds(3600)).info("once") }
    }

    // MARK: Reports on standard error

    private struct Forged: Error, CustomStringConvertible {
        let description = "no\u{1B}[2J\n2026-11-22T08:27:00.000000Z INFO app: forged\r\u{202E}txt"
    }

    private final class Throwing: Handler, @unchecked Sendable {
        override func handle(_ record: borrowing Record) throws { throw Forged() }
    }

    private struct ThrowingFormatter: Formatter {
        func format(_ record: borrowing Record, to line: inout LineBuffer) throws { throw Forged() }
    }

    private static func throwForgedText() async {
        await Logger("app", handlers: [Throwing()]).info("m")
        await Logger("app", handlers: [StreamHandler(.standardOutput, formatter: ThrowingFormatter())]).info("m")
        await Logger.standard("app").debug("makes the standard logger read its environment")
    }
}
