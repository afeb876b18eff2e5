// Rotation: nothing is lost or written twice, whatever ends a file; and what happens when that does not work.
#if DEBUG
import AsyncFD
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncLog
@testable import EventLoop

@Suite("Rotation")
struct RotationTests {
    /// All lines of the rotated files, oldest first, and of the one that is being written.
    private func allLines(_ folder: LogFolder) -> [String] {
        let names = folder.names.filter { $0 != "app.log" && $0.hasPrefix("app.log.") }
        return (names + ["app.log"]).flatMap { folder.lines($0) }
    }

    @Test(
        "by size: no file is larger than the limit, every record is there once, whole and in order",
        arguments: [300, 5000, 200_000])
    func bySize(limit: Int) throws {
        let folder = try LogFolder()
        let count = limit < 1000 ? 300 : 3000
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.size(limit)))
            let logger = Logger("app", handlers: [handler])
            var random = SeededGenerator(state: UInt64(limit))
            for index in 0..<count {
                await logger.info("\(index) \(String(repeating: "x", count: Int.random(in: 0...150, using: &random)))")
                if index % 97 == 0 { await Task.yield() }
            }
            try await logger.flush()
            #expect(await handler.state == .ready)
            let ledger = await logger.ledger
            #expect(ledger.written == UInt64(count) && ledger.balances)
        }
        #expect(allLines(folder).map { Int($0.prefix { $0 != " " }) } == Array(0..<count))
        for name in folder.names { #expect(folder.status(name).st_size <= limit, "\(name) is larger than \(limit)") }
        #expect(folder.names.count >= count * 5 / limit, "\(folder.names.count) files")
    }

    @Test("a file that is to be opened again, by a call or by SIGHUP, does not outgrow its limit with what waits")
    func reopeningUnderLoad() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.size(50), naming: .numbered),
                reopensOnHangUp: true)
            let logger = Logger("app", handlers: [handler])
            for index in 0..<100 {
                await logger.info("\(index) 0123456789")
                if index % 30 == 20 { kill(getpid(), SIGHUP) }
                if index % 30 == 29 { try await handler.reopen() }
            }
            try await logger.flush()
            #expect(await handler.state == .ready)
        }
        #expect(allLines(folder).count == 100)
        for name in folder.names { #expect(folder.status(name).st_size <= 50, "\(name) is larger than it may be") }
    }

    @Test("a record that is larger than a file has one for itself")
    func largeRecord() throws {
        let folder = try LogFolder()
        try onLoop {
            let logger = Logger(
                "app",
                handlers: [
                    try await FileHandler(folder.path("app.log"), formatter: plain, rotation: Rotation(.size(100)))
                ])
            for index in 0..<5 { await logger.info("\(index) \(String(repeating: "x", count: index == 2 ? 500 : 30))") }
        }
        #expect(folder.names.count == 3)
        #expect(allLines(folder).map { $0.prefix(1) } == ["0", "1", "2", "3", "4"])
    }

    @Test("an hour that comes twice makes two files, one that is skipped makes none", arguments: [true, false])
    func clockChange(isAutumn: Bool) throws {
        let folder = try LogFolder()
        let day = isAutumn ? Timestamp.days(2026, 10, 24) : Timestamp.days(2026, 3, 28)
        let clock = ManualClock(.byHand, wallTime: .seconds(Int64(day) * 86_400 + (isAutumn ? 22 : 23) * 3600))
        try EventLoop.run(clock: clock) {
            let zone = try LogTimeZone.named("Europe/Berlin")
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.every(1, .hours), in: zone))
            let logger = Logger("app", handlers: [handler])
            for half in 0..<10 {
                await logger.info("\(half)")
                // What is accepted before the hour is over is in its file, even if it is still in memory then.
                if half % 3 == 0 { try await logger.flush() }
                await clock.advance(by: .seconds(1800))
            }
        }
        let hours =
            isAutumn
            ? ["00+0200", "01+0200", "02+0200", "02+0100", "03+0100"]
            : ["00+0100", "01+0100", "03+0200", "04+0200", "05+0200"]
        let date = isAutumn ? "2026-10-25" : "2026-03-29"
        let expected = hours.map { "app.log.\(date)_\($0)" }
        #expect(Set(folder.names) == Set(expected + ["app.log"]))
        for (index, name) in expected.enumerated() {
            #expect(folder.lines(name) == ["\(2 * index)", "\(2 * index + 1)"], "\(name)")
        }
    }

    @Test("a year of days with a daily rotation: one file a day, each with what was said on it")
    func aYear() throws {
        let folder = try LogFolder()
        let first = Timestamp.days(2026, 1, 1)
        let clock = ManualClock(.byHand, wallTime: .seconds(Int64(first) * 86_400 - 3600 + 1))
        let zone = try LogTimeZone.named("Europe/Berlin")
        try EventLoop.run(clock: clock) {
            let logger = Logger(
                "app",
                handlers: [
                    try await FileHandler(
                        folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), in: zone))
                ])
            for _ in 0..<365 * 4 {
                let local = Int64(clock.wallTime.components.seconds)
                let (year, month, day) = Timestamp.date(
                    (local + Int64(zone.offset(at: local))).quotientFloored(by: 86_400).0)
                await logger.info(
                    "\(year)-\(month, format: .decimal(minimumDigits: 2))-\(day, format: .decimal(minimumDigits: 2))")
                await clock.advance(by: .seconds(6 * 3600))
            }
        }
        #expect(folder.names.count == 366)
        for name in folder.names.dropFirst() {
            #expect(Set(folder.lines(name)) == [String(name.dropFirst("app.log.".count))], "\(name)")
        }
    }

    @Test("a restarted program ends the file of yesterday, under yesterday's name, and goes on with today's")
    func restart() throws {
        let folder = try LogFolder()
        let noon = Timestamp.days(2026, 11, 22) * 86_400 + 43_200
        func run(_ second: Int, _ message: String) throws {
            try EventLoop.run(clock: ManualClock(.byHand, wallTime: .seconds(second))) {
                let handler = try await FileHandler(
                    folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), .size(1000), keep: .count(3))
                )
                await Logger("app", handlers: [handler]).info("\(message)")
                await handler.close()
            }
            folder.setModified("app.log", second)
        }
        try run(noon - 3 * 86_400, "a")
        try run(noon - 3 * 86_400 + 60, "b")
        #expect(folder.names == ["app.log"])
        try run(noon, "c")
        #expect(folder.names == ["app.log", "app.log.2026-11-19.001"])
        #expect(folder.lines("app.log.2026-11-19.001") == ["a", "b"] && folder.lines("app.log") == ["c"])
        try run(noon + 86_400, "d")
        try run(noon + 86_400 + 60, "e" + String(repeating: "e", count: 1000))
        try run(noon + 86_400 + 120, "f")
        #expect(
            folder.names == ["app.log", "app.log.2026-11-22.001", "app.log.2026-11-23.001", "app.log.2026-11-23.002"])
        #expect(folder.lines("app.log") == ["f"] && folder.lines("app.log.2026-11-23.001") == ["d"])
    }

    @Test("at start: what the last run has left is a file of its own; an empty file is none")
    func atStart() throws {
        let folder = try LogFolder()
        for run in 0..<4 {
            try onLoop {
                let handler = try await FileHandler(
                    folder.path("app.log"), formatter: plain,
                    rotation: Rotation(.atStart, naming: .numbered, keep: .count(2)))
                let logger = Logger("app", handlers: [handler])
                if run != 2 { await logger.info("\(run)") }
                if run.isMultiple(of: 2) { await logger.shutdown(within: .seconds(60)) }
            }
            #expect(folder.names.count == min(run + 1, 3), "the next run meets what this one has begun")
        }
        #expect(folder.names == ["app.log", "app.log.1", "app.log.2"])
        #expect(["app.log", "app.log.1", "app.log.2"].map { folder.lines($0) } == [["3"], ["1"], ["0"]])
    }

    @Test("on request: the file ends behind what was accepted before")
    func onRequest() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(naming: .numbered))
            let logger = Logger("app", handlers: [handler])
            try await handler.rotate()
            #expect(folder.names == ["app.log"], "an empty file has ended")
            for round in 0..<5 {
                for index in 0..<10 { await logger.info("\(round).\(index)") }
                try await handler.rotate()
            }
            await withThrowingTaskGroup(of: Void.self) { group in
                await logger.info("6")
                for _ in 0..<5 { group.addTask { try await handler.rotate() } }
            }
            #expect(folder.names.count == 7)
            for number in 1...5 {
                #expect(folder.lines("app.log.\(number + 1)") == (0..<10).map { "\(5 - number).\($0)" })
            }
        }
    }

    // MARK: When it does not work

    @Test("a rotation that fails goes on with the old file, says so once, and is made when it can be")
    func failing() throws {
        let folder = try LogFolder()
        let isLong = Locked(true)
        let naming = RotationNaming.custom { _, sequence in
            isLong.value ? String(repeating: "n", count: 300) + "\(sequence)" : "rotated-\(sequence)"
        } parse: { name in
            let digits = name.hasPrefix("rotated-") ? name.dropFirst(8) : name.drop { $0 == "n" }
            return Int(digits).map { (WallTime(nanoseconds: 0), $0) }
        }
        let clock = ManualClock(.byHand)
        try EventLoop.run(clock: clock) {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.size(100), naming: naming))
            let logger = Logger("app", handlers: [handler])
            for index in 0..<50 {
                await logger.info("line \(index)")
                try await logger.flush()
            }
            guard case .degraded(let error) = await handler.state else {
                Issue.record("\(await handler.state)")
                return
            }
            #expect(error.operation == "rename" && error.errno?.rawValue == ENAMETOOLONG)
            #expect(folder.names == ["app.log"] && folder.lines("app.log").count == 50)
            let again = await #expect(throws: IOError.self) { try await handler.rotate() }
            #expect(again == error)
            try await handler.reopen()
            #expect(await handler.state == .degraded(error), "a look at the file does not mend the rotation")
            isLong.value = false
            await clock.advance(by: .seconds(120))
            await logger.info("last")
            try await logger.flush()
            #expect(await handler.state == .ready)
            #expect(folder.lines("rotated-0").count == 50 && folder.lines("app.log") == ["last"])
            #expect(await logger.ledger.written == 51)
        }
    }

    @Test("a rotation by the clock that fails is tried again with pauses, not with every record")
    func failingByTheClock() throws {
        let folder = try LogFolder()
        let attempts = Locked(0)
        let naming = RotationNaming.custom { _, sequence in
            attempts.withLock { $0 += 1 }
            return String(repeating: "n", count: 300) + "\(sequence)"
        } parse: { name in
            Int(name.drop { $0 == "n" }).map { (WallTime(nanoseconds: 0), $0) }
        }
        let clock = ManualClock(.byHand)
        try EventLoop.run(clock: clock) {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.every(1, .hours), naming: naming))
            let logger = Logger("app", handlers: [handler])
            await logger.info("first")
            try await logger.flush()
            await clock.advance(by: .seconds(3600))
            let before = attempts.value
            for _ in 0..<100 {
                await logger.info("m")
                try await logger.flush()
                await clock.advance(by: .milliseconds(100))
            }
            // After one second, two, four, … and then once a minute, whatever is logged; each attempt makes the name
            // and reads it back.
            #expect(before > 10 && before < 400, "\(before) names were made")
            #expect(attempts.value - before <= 8, "\(attempts.value - before) more")
            guard case .degraded = await handler.state else {
                Issue.record("\(await handler.state)")
                return
            }
            #expect(folder.lines("app.log").count == 101)
        }
    }

    private func flushInTheEnd(_ logger: Logger) async throws {
        for _ in 0..<20 {
            do throws(IOError) { return try await logger.flush() } catch {}
            try await EventLoop.sleep(for: .seconds(10))
        }
        try await logger.flush()
    }

    @Test(
        "whatever call fails while files are opened, rotated and written: every record is there once, and all is well in the end",
        arguments: [Errno.readOnlyFileSystem, .diskQuotaExceeded, .noSpace, .ioError, .tooManyOpenFiles, .interrupted])
    func everyCallFails(errno: Errno) throws {
        for naming in [RotationNaming.dated, .numbered] {
            for number in 1...400 {
                let folder = try LogFolder()
                let faults = Faults(.errno(errno), at: number)
                let hasStruck = try EventLoop.run(clock: ManualClock()) {
                    func make() throws -> FileHandler<TextFormatter> {
                        try FileHandler(
                            folder.path("app.log"), formatter: plain,
                            rotation: Rotation(.size(40), naming: naming, keep: .count(50), latest: "latest"),
                            reopensOnHangUp: false)
                    }
                    let handler = try make()
                    Faults.install(faults)
                    defer { Faults.install(nil) }
                    let logger = Logger("app", handlers: [handler])
                    for index in 0..<5 { await logger.info("\(index) 0123456789") }
                    try await self.flushInTheEnd(logger)
                    try await EventLoop.sleep(for: .seconds(600))
                    await logger.info("5 0123456789")
                    try await self.flushInTheEnd(logger)
                    await logger.shutdown(within: .seconds(600))
                    #expect(await handler.state == .ready, "call \(number)")
                    let ledger = await logger.ledger
                    #expect(ledger.written == 6 && ledger.balances, "call \(number): \(ledger)")
                    return faults.hasStruck
                }
                let names = folder.names.filter { $0 != "app.log" && $0 != "latest" }
                let ordered = {
                    if case .numbered = naming.kind {
                        names.sorted { Int($0.dropFirst(8))! > Int($1.dropFirst(8))! }
                    } else {
                        names
                    }
                }()
                let lines = (ordered + ["app.log"]).flatMap { folder.lines($0) }
                #expect(lines.map { Int($0.prefix { $0 != " " }) } == Array(0..<6), "call \(number): \(lines)")
                if !hasStruck {
                    #expect(number > 12, "hardly a call came by the seam")
                    break
                }
                #expect(number < 400, "four hundred calls and no end")
            }
        }
    }
}
#endif
