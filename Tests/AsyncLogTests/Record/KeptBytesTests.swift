// The fields of a logger or a scope are not copied with each record, but kept alive by it. Bounds on memory count them,
// and those that records share once.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Bytes that records keep alive")
struct KeptBytesTests {
    private static let large = 100_000

    private static func fields(_ number: Int, _ size: Int = large) -> Fields {
        Fields { $0["large"] = "\(number) " + String(repeating: "x", count: size) }
    }

    /// How many of the records arrive that `body` logs on another thread while the loop's thread stands still.
    private static func arrivals(_ body: @escaping @Sendable (Logger) -> Void) throws -> (arrived: Int, dropped: Int) {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory])
            try onThread { body(logger) }
            try await logger.flush()
            let ledger = await memory.statistics.ledger
            #expect(ledger.balances)
            return (memory.records.count, Int(ledger.droppedTotal))
        }
    }

    @Test("the bound on records in flight counts bound fields")
    func bound() throws {
        let (arrived, dropped) = try KeptBytesTests.arrivals { logger in
            for number in 0..<200 { logger.with(KeptBytesTests.fields(number)).info("m") }
        }
        #expect((1...10).contains(arrived))
        #expect(arrived + dropped == 200)
    }

    @Test("the bound on records in flight counts the fields of scopes")
    func scope() throws {
        let (arrived, dropped) = try KeptBytesTests.arrivals { logger in
            for number in 0..<200 { withLogContext(KeptBytesTests.fields(number)) { logger.info("m") } }
        }
        #expect((1...10).contains(arrived))
        #expect(arrived + dropped == 200)
    }

    @Test("fields that records in flight share count once, and again when they come again")
    func shared() throws {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory]).with(KeptBytesTests.fields(0, 500_000))
            for round in 1...5 {
                try onThread { for _ in 0..<1000 { logger.info("m") } }
                try await logger.flush()
                #expect(memory.records.count == 1000)
                #expect(await memory.statistics.ledger.droppedTotal == 0, "\(round)")
                memory.clear()
            }
            // The charge has been given back: as much as before finds room.
            for _ in 1...5 {
                try onThread { for number in 0..<9 { logger.with(KeptBytesTests.fields(number)).info("m") } }
                try await logger.flush()
            }
            #expect(memory.records.count == 45)
        }
    }

    @Test("a scope that records of two pipelines share is charged to both, and given back by both")
    func twoPipelines() throws {
        try onLoop {
            let (first, second) = (MemoryHandler(), MemoryHandler())
            let (one, two) = (Logger("one", handlers: [first]), Logger("two", handlers: [second]))
            for _ in 0..<5 {
                try onThread {
                    withLogContext(KeptBytesTests.fields(0, 300_000)) {
                        for _ in 0..<3 {
                            one.info("m")
                            two.info("m")
                        }
                    }
                }
                try await one.flush()
                try await two.flush()
                #expect(first.records.count == 3 && second.records.count == 3)
                first.clear()
                second.clear()
            }
        }
    }

    @Test("a flight recorder counts the bytes that its records keep alive", arguments: [true, false])
    func recorder(isBound: Bool) throws {
        try onLoop {
            let output = MemoryHandler()
            let recorder = FlightRecorder(of: 65_536, dumpingTo: output, on: .critical)
            let logger = Logger("app", handlers: [recorder])
            for number in 0..<1000 {
                let fields = KeptBytesTests.fields(number, 10_000)
                if isBound {
                    logger.with(fields).nowait.info("m")
                } else {
                    withLogContext(fields) { logger.nowait.info("m") }
                }
            }
            recorder.dump()
            #expect((4...6).contains(output.records.count), "\(output.records.count)")
            output.clear()
            // Removed records count no longer, and shared fields count once.
            let shared = logger.with(KeptBytesTests.fields(0, 10_000))
            for _ in 0..<100 { shared.nowait.info("m") }
            recorder.dump()
            #expect(output.records.count == 100)
        }
    }

    @Test("records that wait for room count until they are in the handler's buffer")
    func parked() throws {
        let pipe = try Pipe(size: 4096)
        try onLoop {
            let handler = StreamHandler(pipe.descriptor, formatter: MessageFormatter(), capacity: 4096, reserve: 0)
            let logger = Logger("app", handlers: [handler])
            for number in 0..<300 { logger.nowait.info("filler \(number) \(String(repeating: ".", count: 50))") }
            try await EventLoop.sleep(for: .milliseconds(1))
            let before = await handler.statistics.ledger
            // Longer than the room that may be left.
            let long = "large " + String(repeating: ".", count: 200)
            // In two parts, between which the loop takes what has come: it waits for room in the buffer from then on.
            for part in 0..<2 {
                try onThread {
                    for number in 0..<20 { logger.with(KeptBytesTests.fields(20 * part + number)).info("\(long)") }
                }
                try await EventLoop.sleep(for: .milliseconds(1))
            }
            let after = await handler.statistics.ledger
            #expect(after.balances)
            #expect(after.droppedTotal - before.droppedTotal >= 30)
            var output: [UInt8] = []
            while await handler.statistics.ledger.pending > 0 {
                output += pipe.drain()
                try await EventLoop.sleep(for: .milliseconds(1))
            }
            output += pipe.drain()
            let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
            #expect((1...10).contains(lines.count { $0.hasPrefix("large") }))
        }
    }
}
