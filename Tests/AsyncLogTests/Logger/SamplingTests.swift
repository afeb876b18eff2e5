// Sampling suppresses records, and never silently.
import AsyncLog
import EventLoop
import Testing

@Suite("Sampling")
struct SamplingTests {
    @Test("every n-th record of a call site goes on and states how many did not")
    func every() throws {
        let all = try records { logger in
            let some = logger.every(3)
            for index in 0..<7 {
                await some.info("a \(index)")
                await some.info("b \(index)")
            }
        }
        #expect(all.map(\.message) == ["a 0", "b 0", "a 3", "b 3", "a 6", "b 6"])
        #expect(all.map { $0.fields["suppressed"] } == [nil, nil, .int(2), .int(2), .int(2), .int(2)])
    }

    @Test("once is once for each call site, and shutting down reports the suppressed records")
    func once() throws {
        let all = try records { logger in
            let once = logger.once
            for index in 0..<5 { await once.info("m \(index)", ["i": index]) }
            await once.info("other")
            await logger.shutdown(within: .seconds(60))
        }
        #expect(all.map(\.message).prefix(2) == ["m 0", "other"])
        #expect(
            all.count == 3 && all[2].fields["suppressed"] == .int(4) && all[2].message.contains("SamplingTests.swift"))
    }

    @Test("a record that a filter refuses does not decide about the next one")
    func filtered() throws {
        let all = try records { logger in
            let some = logger.every(2)
            logger.add(Filter { $0.message == "wanted" })
            for text in ["refused", "refused", "wanted", "wanted", "wanted"] { await some.info("\(text)") }
        }
        #expect(all.map { $0.fields["suppressed"] } == [.int(1), .int(1)])
    }

    @Test("a record that is suppressed on the loop's thread is not even evaluated")
    func notEvaluated() throws {
        nonisolated(unsafe) var evaluated = 0
        func costly() -> Int {
            evaluated += 1
            return evaluated
        }
        _ = try records { logger in
            let once = logger.once
            for _ in 0..<5 { await once.info("\(costly())") }
        }
        #expect(evaluated == 1)
    }

    @Test(
        "at most so many in a span of time; the next span starts again from zero and states how many records the last one suppressed"
    )
    func limited() throws {
        let clock = ManualLogClock()
        let all = try onLoop {
            let memory = MemoryHandler()
            let limited = Logger("app", handlers: [memory], clock: .manual(clock)).limited(to: 2, per: .seconds(10))
            for index in 0..<12 {
                await limited.info("\(index)")
                clock.advance(by: .seconds(2))
            }
            return memory.records
        }
        #expect(all.map(\.message) == ["0", "1", "5", "6", "10", "11"])
        #expect(all.map { $0.fields["suppressed"] } == [nil, nil, .int(3), nil, .int(3), nil])
    }

    @Test("records that a limit has suppressed are reported when the span is over, though no record follows")
    func report() throws {
        let all = try onLoop {
            let memory = MemoryHandler()
            let limited = Logger("app", handlers: [memory]).limited(to: 1, per: .milliseconds(20))
            for _ in 0..<5 { await limited.warning("m") }
            while memory.records.count < 2 { try await EventLoop.sleep(for: .milliseconds(5)) }
            return memory.records
        }
        #expect(all.count == 2 && all[1].fields["suppressed"] == .int(4))
    }

    @Test("repetitions within a time do not go on, other texts and other fields do")
    func deduplicated() throws {
        let clock = ManualLogClock()
        let all = try onLoop {
            let memory = MemoryHandler()
            let unique = Logger("app", handlers: [memory], clock: .manual(clock)).deduplicated(within: .seconds(60))
            for (text, value) in [("a", 1), ("a", 1), ("a", 1), ("a", 2), ("b", 2), ("b", 2)] {
                await unique.info("\(text)", ["v": value])
            }
            clock.advance(by: .seconds(61))
            await unique.info("other place")
            return memory.records
        }
        #expect(all.map(\.message) == ["a", "a", "b", "other place"])
        #expect(all[1].fields == ["v": .int(2), "suppressed": .int(2)])
    }

    @Test("sampled lets a share of the records go on, none and all included")
    func sampled() throws {
        let all = try records { logger in
            let (none, half, whole) = (logger["none"].sampled(0), logger["half"].sampled(0.5), logger["all"].sampled(1))
            for _ in 0..<1000 {
                await none.info("m")
                await half.info("m")
                await whole.info("m")
            }
        }
        let counts = Dictionary(grouping: all, by: \.logger).mapValues(\.count)
        #expect(counts["app.none"] == nil && counts["app.all"] == 1000)
        #expect((300...700).contains(counts["app.half"] ?? 0))
    }
}
