// What most tests of the logger need: a loop of the test's own, and handlers that keep what they are given.
import AsyncLog
import EventLoop
import TestSupport

/// Runs `body` on a new loop on the calling thread.
func onLoop<Value>(_ body: @escaping () async throws -> Value) throws -> Value { try EventLoop.run(body) }

/// The lines that a formatter makes of what `body` logs, at 2026-11-22T08:27:00.123456789Z.
func lines<Format: Formatter>(_ formatter: Format, name: String = "app", _ body: @escaping (Logger) async -> Void)
    throws -> [String]
{
    try onLoop {
        let collector = Collector(formatter)
        await body(Logger(name, level: .trace, handlers: [collector], clock: .manual(.fixed)))
        return collector.texts
    }
}

/// What a memory handler has after `body`.
func records(level: Level = .trace, _ body: @escaping (Logger) async throws -> Void) throws -> [KeptRecord] {
    try onLoop {
        let memory = MemoryHandler()
        try await body(Logger("app", level: level, handlers: [memory], clock: .manual(.fixed)))
        return memory.records
    }
}

extension ManualLogClock {
    static var fixed: ManualLogClock { ManualLogClock(WallTime(nanoseconds: 1_795_336_020_123_456_789)) }
}

/// A test cannot go on.
struct Unexpected: Error {
    let what: String
    init(_ what: String) { self.what = what }
}

/// The message alone, a line each.
struct MessageFormatter: Formatter {
    func format(_ record: borrowing Record, to line: inout LineBuffer) {
        line.appendEscaped(record.message)
        line.append("\n")
    }
}
