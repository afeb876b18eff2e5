// Handlers that keep records: for tests, and for what happened just before something went wrong.
import AsyncLog
import Testing

@Suite("Handlers in memory")
struct MemoryTests {
    @Test("a memory handler keeps the latest records, with their times")
    func memory() throws {
        let clock = ManualLogClock(WallTime(nanoseconds: 5))
        let all = try onLoop {
            let memory = MemoryHandler(capacity: 3)
            let logger = Logger("app", handlers: [memory], clock: .manual(clock))
            for index in 0..<5 {
                await logger.info("\(index)")
                clock.advance(by: .nanoseconds(10))
            }
            return memory.records
        }
        #expect(all.map(\.message) == ["2", "3", "4"])
        #expect(all.map(\.time.nanoseconds) == [25, 35, 45])
    }

    @Test(
        "a flight recorder says nothing until an error comes, then all that it has, once, in order, with the original times"
    )
    func recorder() throws {
        let clock = ManualLogClock(WallTime(nanoseconds: 0))
        try onLoop {
            let output = MemoryHandler()
            let recorder = FlightRecorder(of: 1 << 16, dumpingTo: output)
            let logger = Logger("app", level: .trace, handlers: [recorder], clock: .manual(clock)).with(["bound": 1])
            for index in 0..<3 {
                await logger.debug("\(index)", ["i": index])
                clock.advance(by: .nanoseconds(1))
            }
            #expect(output.records.isEmpty)
            await logger.error("now")
            #expect(output.messages == ["0", "1", "2", "now"])
            #expect(output.records.map(\.time.nanoseconds) == [0, 1, 2, 3])
            #expect(output.records[1].fields == ["bound": .int(1), "i": .int(1)])
            await logger.debug("later")
            #expect(output.records.count == 4)
            recorder.dump()
            #expect(output.messages.last == "later")
            recorder.dump()
            #expect(output.records.count == 5)
        }
    }

    @Test("a flight recorder keeps within its bytes, and the latest are what it keeps")
    func recorderBound() throws {
        try onLoop {
            let output = MemoryHandler()
            let recorder = FlightRecorder(of: 4096, dumpingTo: output, on: .critical)
            let logger = Logger("app", level: .trace, handlers: [recorder])
            for index in 0..<1000 { await logger.trace("\(index)") }
            recorder.dump()
            #expect(output.messages.last == "999")
            #expect((5...40).contains(output.records.count), "\(output.records.count)")
        }
    }
}
