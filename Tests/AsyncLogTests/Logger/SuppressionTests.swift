// Which records count as repetitions, and how suppressed records are reported when the logger that counted them is
// freed.
import EventLoop
import Testing

@testable import AsyncLog

@Suite("Suppressed records")
struct SuppressionTests {
    @Test("repetitions are those of which every field is the same: the call's, the logger's, the scope's")
    func allFieldsCount() throws {
        let all = try records { logger in
            let unique = logger.deduplicated(within: .seconds(60))
            func refuse(_ logger: Logger, _ tried: Int) async {
                await logger.warning("access refused", ["tried": tried])
            }
            for user in ["ann", "ann", "bob", "carl"] { await refuse(unique.with(["user": user]), 1) }
            for user in ["ann", "bob", "bob"] {
                await withLogContext(["user": user, "scope": true]) { await refuse(unique, 1) }
            }
            await refuse(unique.with(["user": "dora", "tried": 1]), 2)
            await refuse(unique.with(["user": "dora", "tried": 2]), 2)
        }
        #expect(all.map { $0.fields["user"] } == ["ann", "bob", "carl", "ann", "bob", "dora"].map { .text($0) })
        #expect(all.map { $0.fields["suppressed"] } == [nil, .int(1), nil, nil, nil, .int(1)])
    }

    @Test("message and field whose concatenations are equal are not a repetition")
    func boundaries() throws {
        let all = try records { logger in
            let unique = logger.deduplicated(within: .seconds(60))
            for (key, text) in [("a", "bc"), ("ab", "c"), ("abc", "")] {
                await unique.with([FieldKey(key): text]).info("m")
            }
        }
        #expect(all.count == 3)
    }

    @Test("the suppressed records of loggers that are freed are reported at once, together, and in the name of each")
    func loggersGo() throws {
        try onLoop {
            let memory = MemoryHandler()
            let (a, b) = (Logger("a", handlers: [memory]), Logger("b", handlers: [memory]))
            func repeatIt(_ logger: Logger) { for _ in 0..<5 { logger.warning("again") } }
            for _ in 0..<100 { repeatIt(a.limited(to: 1, per: .seconds(3600))) }
            repeatIt(b.once)
            #expect(memory.records.count == 101)
            for _ in 0..<5 { await Task.yield() }
            try await EventLoop.sleep(for: .milliseconds(1))
            let reports = memory.records.filter { $0.message.contains("suppressed from") }
            #expect(reports.count == 2 && memory.records.count == 103)
            #expect(
                Set(reports.map { "\($0.logger) \($0.level) \($0.fields["suppressed"]!)" }) == [
                    "a WARNING int(400)", "b WARNING int(4)",
                ])
        }
    }

    @Test("the suppressed records of another thread's logger are reported when the logger is freed")
    func otherThread() throws {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory])
            try await EventLoop.offload {
                let limited = logger.limited(to: 2, per: .seconds(3600))
                for _ in 0..<10 { limited.error("again") }
            }
            for _ in 0..<1000 where memory.records.count < 3 { try await EventLoop.sleep(for: .milliseconds(1)) }
            #expect(memory.records.last?.fields["suppressed"] == .int(8) && memory.records.last?.level == .error)
        }
    }

    @Test("a logger that many labels share forgets the call sites whose state is that of a new one")
    func sharedByMany() throws {
        let clock = ManualLogClock()
        try onLoop {
            let memory = MemoryHandler(capacity: 1)
            let root = Logger("", handlers: [memory], clock: .manual(clock))
            let limited = root.limited(to: 1, per: .seconds(1))
            for label in 0..<20_000 {
                limited["label\(label)"].info("m")
                clock.advance(by: .milliseconds(1))
            }
            #expect(root.core.tree.count < 5000, "\(root.core.tree.count) loggers are kept")
        }
    }
}
