// dropOldest on a regular file: what a thread of the pool is writing stays, what stands behind it can be taken back all
// the same.
import AsyncFD
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import AsyncLog

@Suite("dropOldest on a file")
struct DropOldestTests {
    enum Kind: CaseIterable { case stream, file }

    /// A file and a handler with room for some hundred lines.
    private struct Bench {
        let handler: BufferedHandler
        let lines: () -> [String]

        init(_ kind: Kind) async throws {
            let format = TextFormatter(pattern: try TextPattern("{sequence} {message}{fields}"))
            switch kind {
            case .stream:
                let sink = try Sink()
                handler = StreamHandler(sink.descriptor, formatter: format, capacity: 10_000, overflow: .dropOldest)
                lines = sink.lines
            case .file:
                let folder = try LogFolder()
                handler = try await FileHandler(
                    folder.path("app.log"), formatter: format, reopensOnHangUp: false, capacity: 10_000,
                    overflow: .dropOldest)
                lines = { folder.lines("app.log") }
            }
        }
    }

    private func check(_ handler: BufferedHandler, sourceLocation: SourceLocation = #_sourceLocation) async {
        let statistics = await handler.statistics
        #expect(statistics.ledger.balances, "\(statistics.ledger)", sourceLocation: sourceLocation)
        #expect(statistics.pendingBytes <= statistics.capacity + 400, sourceLocation: sourceLocation)
        #expect(
            statistics.droppedByLevel.values.reduce(0, +) == statistics.ledger.droppedTotal,
            sourceLocation: sourceLocation)
    }

    @Test(
        "while a write is under way the oldest behind it are dropped, not the newest, and the report says which",
        arguments: Kind.allCases)
    func writeUnderWay(kind: Kind) throws {
        try onLoop {
            let bench = try await Bench(kind)
            let handler = bench.handler
            let logger = Logger("app", handlers: [handler])
            let disk = BusyPool(EventLoop.current!)
            for index in 1...10 { await logger.info("\(index) in flight") }
            while handler.buffer.writer.bytesInFlight == 0 { await Task.yield() }
            for index in 11...2000 {
                logger.nowait.info("\(index) behind")
                await check(handler)
            }
            let dropped = Int(await handler.statistics.ledger.dropped[.overflow] ?? 0)
            #expect(dropped > 1000)
            disk.release()
            try await logger.flush()
            try await logger.flush()  // the report, too
            await check(handler)

            let lines = bench.lines()
            #expect(lines[..<10] == ArraySlice((1...10).map { "\($0) \($0) in flight" }))
            let behind = lines[10...].filter { $0.hasSuffix("behind") }
            #expect(
                behind.elementsEqual(((11 + dropped)...2000).map { "\($0) \($0) behind" }),
                "not the oldest were dropped: \(behind.first ?? "")")
            let reports = lines.filter { $0.contains("records dropped here") }
            #expect(reports.count == 1 && lines.count == 10 + behind.count + 1)
            #expect(
                reports.first?.hasPrefix("0 \(dropped) records dropped here: 11 to \(10 + dropped) dropped=\(dropped)")
                    == true, "\(reports)")
            #expect(await handler.statistics.ledger.written == UInt64(10 + behind.count))
        }
    }

    @Test("what is being written is not taken back to make room")
    func nothingInFlight() throws {
        try onLoop {
            let bench = try await Bench(.stream)
            let handler = bench.handler
            let logger = Logger("app", handlers: [handler])
            let disk = BusyPool(EventLoop.current!)
            for index in 1...5 { await logger.info("\(index)") }
            while handler.buffer.writer.bytesInFlight == 0 { await Task.yield() }
            handler.buffer.dropOldest(toFit: 10_000, 0)
            #expect(await handler.statistics.ledger.droppedTotal == 0, "what is being written was taken back")
            await logger.info("6")
            handler.buffer.dropOldest(toFit: 10_000, 0)
            #expect(await handler.statistics.ledger.dropped == [.overflow: 1])
            disk.release()
            try await logger.flush()
            #expect(bench.lines()[..<5] == ["1 1", "2 2", "3 3", "4 4", "5 5"])
        }
    }

    @Test(
        "a task that logs without a pause sees that the disk is free again, and does not drop for ever",
        arguments: [Overflow.dropOldest, .dropNewest])
    func noPause(overflow: Overflow) throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, reopensOnHangUp: false, capacity: 10_000, overflow: overflow)
            let logger = Logger("app", handlers: [handler])
            logger.nowait.info("in flight")
            handler.buffer.pushOut()
            #expect(handler.buffer.writer.bytesInFlight > 0)
            for _ in 0..<500 { logger.nowait.info("0123456789012345678901234567890123456789") }
            while folder.lines("app.log").isEmpty { usleep(1000) }
            for _ in 0..<10_000 where handler.buffer.ledger.written == 0 {
                usleep(1000)
                logger.nowait.info("0123456789012345678901234567890123456789")
            }
            #expect(handler.buffer.ledger.written > 0)
        }
    }

    @Test(
        "with a thread that writes all the time every line is whole and in order, and the books balance",
        arguments: 0..<4)
    func anyOrder(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        try onLoop {
            let bench = try await Bench(seed % 2 == 0 ? .stream : .file)
            let handler = bench.handler
            let logger = Logger("app", level: .trace, handlers: [handler])
            for round in 0..<3000 {
                logger.nowait.log(
                    Level.allCases.randomElement(using: &random)!,
                    "\(String(repeating: "y", count: Int.random(in: 0...300, using: &random)))|")
                if round % 50 == 0 { await check(handler) }
                if Int.random(in: 0..<100, using: &random) == 0 { await Task.yield() }
                if Int.random(in: 0..<500, using: &random) == 0 { try await EventLoop.sleep(for: .microseconds(200)) }
            }
            await logger.shutdown(within: .seconds(60))
            let lines = bench.lines().filter { !$0.contains("records dropped here") }
            #expect(lines.allSatisfy { $0.hasSuffix("|") }, "a line is torn")
            let numbers = lines.compactMap { Int($0.prefix { $0 != " " }) }
            #expect(numbers.count == lines.count && numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            #expect(numbers.last == 3000, "the newest is not there")
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == UInt64(lines.count) && ledger.written + ledger.droppedTotal == 3000)
        }
    }

    @Test("what is given up while a thread writes it stays that thread's, and goes to no other output")
    func givenUpInFlight() throws {
        try onLoop {
            let benches = [try await Bench(.stream), try await Bench(.file), try await Bench(.stream)]
            let disk = BusyPool(EventLoop.current!)
            for (index, bench) in benches.enumerated() {
                await Logger("app", handlers: [bench.handler]).info("given up by \(index)")
                while bench.handler.buffer.writer.bytesInFlight == 0 { await Task.yield() }
                bench.handler.buffer.giveUp()
                #expect(bench.handler.buffer.pendingBytes == 0)
            }
            disk.release()
            for (index, bench) in benches.enumerated() {
                await Logger("app", handlers: [bench.handler]).info("said by \(index)")
                try await bench.handler.flush(.written)
                let strangers = bench.lines().filter { !$0.hasSuffix("\(index)") && !$0.contains("records dropped") }
                #expect(strangers.isEmpty && bench.lines().contains("2 said by \(index)"), "\(bench.lines())")
                #expect(bench.handler.buffer.ledger.balances)
            }
        }
    }
}
