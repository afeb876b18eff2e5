// A bounded buffer in front of a reader that does not read: which tasks wait, what is dropped, what is reported; and
// that the books balance after every single operation.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Buffers")
struct BufferTests {
    /// A logger before a pipe of 4 KiB that is not read until `drain`, with a buffer of 4000 bytes, 1000 of which are
    /// kept for errors.
    private final class Bench: @unchecked Sendable {  // used on one loop
        let pipe: Pipe
        let handler: StreamHandler<TextFormatter>
        let logger: Logger
        private(set) var output: [UInt8] = []

        init(_ overflow: Overflow, capacity: Int = 4000, reserve: Int = 1000) throws {
            pipe = try Pipe(size: 4096)
            handler = StreamHandler(
                pipe.descriptor,
                formatter: TextFormatter(pattern: try TextPattern("{sequence} {level} {message}{fields}")),
                capacity: capacity,
                reserve: reserve, overflow: overflow)
            logger = Logger("app", level: .trace, handlers: [handler])
        }

        /// The law, and that no memory is used beyond the bound.
        func check(sourceLocation: SourceLocation = #_sourceLocation) async {
            let statistics = await handler.statistics
            #expect(statistics.ledger.balances, "\(statistics.ledger)", sourceLocation: sourceLocation)
            #expect(statistics.pendingBytes <= statistics.capacity + 400, sourceLocation: sourceLocation)
            #expect(
                statistics.droppedByLevel.values.reduce(0, +) == statistics.ledger.droppedTotal,
                sourceLocation: sourceLocation)
        }

        /// Reads until nothing comes any more.
        func drain() async throws {
            while true {
                let bytes = pipe.drain()
                output += bytes
                if bytes.isEmpty, await handler.statistics.pendingBytes == 0 { break }
                try await EventLoop.sleep(for: .milliseconds(1))
            }
            await check()
        }

        /// Reads some.
        func drain(_ limit: Int) { output += pipe.drain(limit) }

        var lines: [String] { String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init) }
        /// The lines of records, without reports.
        var records: [String] { lines.filter { !$0.contains("records dropped here") } }
        var reports: [String] { lines.filter { $0.contains("records dropped here") } }
        /// The numbers at the beginning of the records' lines.
        var numbers: [Int] { records.compactMap { Int($0.prefix { $0 != " " }) } }
    }

    private static let filler = String(repeating: "x", count: 80)

    @Test("dropNewest: no caller waits; the oldest are there, and a report says which are missing")
    func dropNewest() throws {
        try onLoop {
            let bench = try Bench(.dropNewest)
            for index in 0..<200 {
                await bench.logger.info("\(index) \(BufferTests.filler)")
                await bench.check()
            }
            let dropped = await bench.handler.statistics.ledger.dropped[.overflow] ?? 0
            #expect(dropped > 100)
            try await bench.drain()
            await bench.logger.info("after")
            try await bench.logger.flush()
            try await bench.drain()
            #expect(bench.numbers == bench.numbers.sorted(), "out of order")
            #expect(bench.numbers.first == 1 && bench.numbers.last == 201)
            #expect(bench.records.count == 201 - Int(dropped))
            #expect(bench.reports.count == 1)
            let report = bench.reports[0]
            #expect(report.hasPrefix("0 WARNING \(dropped) records dropped here: "), "\(report)")
            #expect(
                report.contains(
                    "dropped=\(dropped) dropped_info=\(dropped) first_sequence=\(201 - Int(dropped)) last_sequence=200 since="
                ),
                "\(report)")
            // The numbers are dense: what is not there was dropped.
            #expect(Set(1...201).subtracting(bench.numbers).count == Int(dropped))
        }
    }

    @Test("dropOldest: the newest are there, and every line is whole")
    func dropOldest() throws {
        try onLoop {
            let bench = try Bench(.dropOldest)
            for index in 0..<200 {
                await bench.logger.info("\(index) \(BufferTests.filler)")
                await bench.check()
            }
            try await bench.drain()
            #expect(bench.records.last == "200 INFO 199 \(BufferTests.filler)")
            #expect(bench.records.allSatisfy { $0.hasSuffix(BufferTests.filler) }, "a line is torn")
            #expect(bench.numbers == bench.numbers.sorted())
            let ledger = await bench.handler.statistics.ledger
            #expect(ledger.written + ledger.droppedTotal == 200 && ledger.droppedTotal > 100)
            #expect(bench.reports.count == 1)
        }
    }

    @Test(
        "suspend: a call with await waits until there is room, in order, and loses nothing; a record without await is dropped"
    )
    func suspend() throws {
        try onLoop {
            let bench = try Bench(.suspend)
            nonisolated(unsafe) var done = 0
            let logger = bench.logger
            await withDiscardingTaskGroup { group in
                for index in 0..<200 {
                    group.addTask {
                        await logger.info("\(index) \(BufferTests.filler)")
                        done += 1
                    }
                }
                group.addTask {
                    for _ in 0..<50 { await Task.yield() }
                    #expect(done < 200, "no task had to wait")
                    await bench.check()
                    logger.nowait.info("no room")
                    #expect(await bench.handler.statistics.ledger.dropped == [.overflow: 1])
                    try? await bench.drain()
                }
            }
            #expect(done == 200)
            try await bench.drain()
            #expect(bench.records.count == 200)
            #expect(bench.numbers == bench.numbers.sorted())
            #expect(await bench.handler.statistics.ledger.written == 200)
        }
    }

    @Test("a task that is cancelled while it waits for room gives up its record, which is counted")
    func cancelled() throws {
        try onLoop {
            let bench = try Bench(.suspend)
            for index in 0..<70 { bench.logger.nowait.info("\(index) \(BufferTests.filler)") }
            let logger = bench.logger
            let before = await bench.handler.statistics.ledger.droppedTotal
            await withDiscardingTaskGroup { group in
                group.addTask { await logger.info("given up \(BufferTests.filler)") }
                for _ in 0..<10 { await Task.yield() }
                group.cancelAll()
            }
            await bench.check()
            let ledger = await bench.handler.statistics.ledger
            #expect(ledger.dropped[.cancelled] == 1 && ledger.droppedTotal == before + 1)
            try await bench.drain()
            #expect(!bench.records.contains { $0.contains("given up") })
        }
    }

    @Test("shed: what matters less is dropped, what matters more waits")
    func shed() throws {
        try onLoop {
            let bench = try Bench(.shed(below: .warning))
            let logger = bench.logger
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for index in 0..<100 {
                        await logger.info("\(index) \(BufferTests.filler)")
                        await logger.warning("\(index) \(BufferTests.filler)")
                        await bench.check()
                    }
                }
                group.addTask {
                    for _ in 0..<20 { await Task.yield() }
                    while await bench.handler.statistics.ledger.accepted < 200 { try? await bench.drain() }
                }
            }
            try await bench.drain()
            let statistics = await bench.handler.statistics
            #expect(bench.records.count { $0.contains("WARNING") } == 100)
            #expect(statistics.droppedByLevel.keys.allSatisfy { $0 == .info })
        }
    }

    @Test("errors find room when nothing else does, until that is full, too")
    func reserve() throws {
        try onLoop {
            let bench = try Bench(.dropNewest)
            for index in 0..<100 { bench.logger.nowait.info("\(index) \(BufferTests.filler)") }
            let before = await bench.handler.statistics.ledger.droppedTotal
            for index in 0..<8 { bench.logger.nowait.error("\(index) \(BufferTests.filler)") }
            await bench.check()
            #expect(await bench.handler.statistics.ledger.droppedTotal == before, "an error found no room")
            for index in 0..<20 { bench.logger.nowait.critical("\(index) \(BufferTests.filler)") }
            await bench.check()
            #expect(await bench.handler.statistics.droppedByLevel[.critical, default: 0] > 0)
            try await bench.drain()
            #expect(bench.records.count { $0.contains("ERROR") } == 8)
        }
    }

    @Test("a record that is larger than the whole buffer goes out whole when the buffer is empty")
    func giant() throws {
        try onLoop {
            let bench = try Bench(.suspend, capacity: 1000, reserve: 0)
            let logger = bench.logger
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await logger.info("\(String(repeating: "g", count: 5000))")
                    await logger.info("\(String(repeating: "h", count: 5000))")
                }
                group.addTask {
                    while await bench.handler.statistics.ledger.written < 2 {
                        try? await bench.drain()
                        await Task.yield()
                    }
                }
            }
            #expect(bench.records.map(\.count) == [5007, 5007])
        }
    }

    @Test(
        "whatever happens in whatever order, the books balance after every step and the lines that come out are whole and in order",
        arguments: 0..<8)
    func anyOrder(seed: UInt64) throws {
        try onLoop {
            var random = SeededGenerator(state: seed)
            let rules: [Overflow] = [.suspend, .dropNewest, .dropOldest, .shed(below: .error)]
            let bench = try Bench(rules[Int(seed) % 4])
            for _ in 0..<400 {
                let level = Level.allCases.randomElement(using: &random)!
                switch Int.random(in: 0..<10, using: &random) {
                case 0: bench.drain(Int.random(in: 1...3000, using: &random))
                case 1: await Task.yield()
                case 2: try await EventLoop.sleep(for: .microseconds(200))
                default:
                    bench.logger.nowait.log(
                        level, "\(String(repeating: "y", count: Int.random(in: 0...300, using: &random)))|")
                }
                await bench.check()
            }
            try await bench.drain()
            #expect(bench.records.allSatisfy { $0.hasSuffix("|") }, "a line is torn")
            #expect(bench.numbers == bench.numbers.sorted())
            let statistics = await bench.handler.statistics
            #expect(bench.records.count == Int(statistics.ledger.written))
            #expect(Set(bench.numbers).count == bench.records.count)
            #expect(statistics.lastSequence == statistics.ledger.accepted)
        }
    }
}
