// When files end by the clock, against a definition that counts minutes; and what they are called.
#if DEBUG
import EventLoop
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Rotation schedule")
struct RotationScheduleTests {
    /// The hour that is skipped or comes twice: on whole hours, half hours, at midnight; and a day that never was.
    static let zones: [(name: String, change: (Int, Int, Int))] = [
        ("Europe/Berlin", (2026, 3, 29)), ("Europe/Berlin", (2026, 10, 25)), ("America/New_York", (2026, 11, 1)),
        ("Australia/Lord_Howe", (2026, 4, 5)), ("Australia/Lord_Howe", (2026, 10, 4)), ("America/Havana", (2026, 3, 8)),
        ("America/Havana", (2026, 11, 1)), ("Asia/Kathmandu", (2026, 6, 1)), ("Pacific/Apia", (2011, 12, 30)),
    ]

    /// What the rules say, minute by minute, in a world whose clocks change on whole minutes.
    private func isEnd(_ second: Int64, _ rule: ClockTrigger, _ zone: LogTimeZone) -> Bool {
        func local(_ second: Int64) -> Int64 { second + Int64(zone.offset(at: second)) }
        func floor(_ a: Int64, _ b: Int64) -> Int64 { a >= 0 ? a / b : -((b - 1 - a) / b) }
        let (now, before) = (local(second), local(second - 60))
        switch rule {
        case .period(let length, _): return now % length == 0 || floor(now, length) > floor(before, length)
        case .days, .weekdays, .afterBeginning:
            let (counts, time): ((Int64) -> Bool, TimeOfDay) =
                switch rule {
                case .days(let count, let time): ({ $0 % Int64(count) == 0 }, time)
                case .weekdays(let days, let time, let weeks):
                    ({ days.contains(Weekday(day: Int($0))) && floor($0 + 3, 7) % Int64(weeks) == 0 }, time)
                case .afterBeginning(let days, let time, _): ({ days.contains(Weekday(day: Int($0))) }, time)
                default: ({ _ in false }, .midnight)
                }
            // A date whose time is reached now, and was not reached at any moment of the two days before.
            return (floor(before, 86_400) - 1...floor(now, 86_400) + 1).contains { date in
                let shown = date * 86_400 + time.second
                guard counts(date), now >= shown, before < shown else { return false }
                return !stride(from: second - 2 * 86_400, to: second, by: 60).contains { local($0) >= shown }
            }
        }
    }

    @Test("files end when the clock on the wall says so, whatever is done to it", arguments: zones.indices)
    func againstTheDefinition(index: Int) throws {
        let (name, change) = Self.zones[index]
        let zone = try LogTimeZone.named(name)
        let noon = Int64(Timestamp.days(change.0, change.1, change.2)) * 86_400 + 43_200
        let span = noon - 3 * 86_400...noon + 3 * 86_400
        var random = SeededGenerator(state: UInt64(index))
        let periods: [ClockTrigger] = [
            .period(1800, .minutes), .period(3600, .hours), .period(7200, .hours), .period(10_800, .hours),
            .period(21_600, .hours),
            .period(25_200, .hours), .period(129_600, .hours), .period(300, .seconds), .period(660, .minutes),
        ]
        let days: [ClockTrigger] = [
            .days(1, at: .midnight), .days(1, at: TimeOfDay(2, 30)), .days(2, at: TimeOfDay(0, 30)),
            .days(1, at: TimeOfDay(23, 59)),
            .weekdays([.sunday, .monday], at: TimeOfDay(2, 0), weeks: 1),
            .weekdays([.friday], at: TimeOfDay(4, 30), weeks: 2),
            .afterBeginning([.sunday, .tuesday], at: TimeOfDay(2, 30), furtherDays: 0),
            .afterBeginning(Set(Weekday.allCases), at: .midnight, furtherDays: 0),
        ]
        for rule in periods + days {
            let schedule = RotationSchedule(rules: [rule], zone: zone)
            let ends = stride(from: span.lowerBound, through: span.upperBound, by: 60).filter { isEnd($0, rule, zone) }
            for _ in 0..<60 {
                let moment = Int64.random(in: span, using: &random)
                if let next = ends.first(where: { $0 > moment }) {
                    #expect(schedule.next(after: moment) == next, "\(rule) in \(name) after \(moment)")
                }
                if let last = ends.last(where: { $0 <= moment }) {
                    #expect(schedule.start(at: moment) == last, "\(rule) in \(name) at \(moment)")
                }
            }
            for end in ends {
                #expect(
                    schedule.start(at: end) == end && schedule.next(after: end - 1) == end,
                    "\(rule) in \(name) at \(end)")
            }
        }
    }

    @Test("Python's and aiologger's names for times mean what they mean there")
    func when() throws {
        #expect(try RotationTrigger.when("S", interval: 5) == .every(5, .seconds))
        #expect(try RotationTrigger.when("m") == .every(1, .minutes))
        #expect(try RotationTrigger.when("H", interval: 6) == .every(6, .hours))
        #expect(try RotationTrigger.when("d", interval: 2) == .every(2, .days))
        // Of midnight and W0 to W6: PythonRolloverTests.swift.
        #expect(try RotationTrigger.when("MIDNIGHT", at: TimeOfDay(4, 30)) == .when("midnight", at: TimeOfDay("04:30")))
        #expect(try RotationTrigger.when("w6") == .when("W6"))
        #expect(try RotationTrigger.when("W6") != .when("W5"))
        for (wrong, interval) in [("W7", 1), ("", 1), ("Y", 1), ("W", 1), ("W11", 1), ("S", 0), ("S", -1)] {
            #expect(throws: RotationError.self) { try RotationTrigger.when(wrong, interval: interval) }
        }
        #expect(throws: RotationError.self) { try RotationTrigger.when("H", at: .midnight) }
        let error = #expect(throws: RotationError.self) { try RotationTrigger.when("weekly") }
        #expect(error?.description == "rotation, when \"weekly\": it is one of S, M, H, D, W0 to W6, midnight")
    }

    @Test("a Monday is a Monday, and so on")
    func weekdays() {
        #expect(Weekday(day: Timestamp.days(2026, 11, 22)) == .sunday)
        #expect(Weekday(day: Timestamp.days(1969, 12, 29)) == .monday)
        #expect(TimeOfDay("04:30:15").map { "\($0)" } == "04:30:15" && TimeOfDay("4:30").map { "\($0)" } == "04:30")
        for wrong in ["", "4", "24:00", "4:60", "4:3:2:1", "a:b", "-1:00", "004:00", "4:"] {
            #expect(TimeOfDay(wrong) == nil, "\(wrong)")
        }
    }
}

@Suite("Names of rotated files")
struct RotatedNamesTests {
    private func names(
        _ naming: RotationNaming = .dated, _ zone: LogTimeZone = .utc, _ precision: RotatedNames.Precision = .second,
        numbered: Bool = false
    )
        -> RotatedNames
    { RotatedNames(base: "app.log", naming: naming, zone: zone, precision: precision, isAlwaysNumbered: numbered) }

    @Test("what could not be one of ours is not taken for one")
    func strict() {
        let new = LogTimeZone.fixed(secondsFromUTC: -18_000)
        let ours: [(RotatedNames, [String])] = [
            (
                names(.dated, .utc, .day),
                ["app.log.2026-11-22", "app.log.2026-11-22.gz", "app.log.2024-02-29", "app.log.2026-11-22.1000"]
            ),
            (names(.dated, .utc, .hour), ["app.log.2026-11-22_08"]),
            (names(.dated, .utc, .minute), ["app.log.2026-11-22_08-30"]),
            (names(), ["app.log.2026-11-22_08-30-59.001.zst", "app.log.2026-11-22_08-30-59"]),
            (names(.dated, new, .hour), ["app.log.2026-11-22_08-0500"]),
            (names(.dated, new, .minute), ["app.log.2026-11-22_08-05-0500.012"]),
            (names(.dated, new, .day), ["app.log.2026-11-22"]),
        ]
        for (index, (names, own)) in ours.enumerated() {
            for name in own { #expect(names.parse(name)?.name == name, "\(name)") }
            for (other, (_, foreign)) in ours.enumerated() where other != index {
                for name in foreign where !own.contains(name) && !(index == 6 || other == 6) {
                    #expect(names.parse(name) == nil, "\(name)")
                }
            }
        }
        let others = [
            "app.log", "app.log.", "app.log.1", "app.log.gz", "app.log.2026-02-29", "app.log.2026-13-01",
            "app.log.2026-11-22.",
            "app.log.2026-11-22.bak",
            "app.log.2026-11-22.1", "app.log.2026-11-22.0001", "app.log.2026-11-22.000", "app.log.2026-11-22_24",
            "app.log.2026-11-22_08-60",
            "app.log.2026-11-22 ", "app.log.2026-11-22.gz.gz", "xapp.log.2026-11-22", "app.log2.2026-11-22",
            "app.log.2026-11-22_08+2500",
            "app.log.2026-1-2", "app.log.2026-11-22.gz.partial", "app.log.+026-11-22", "app.log.2026-11-22_08-30-00-00",
            "app.log.２026-11-22",
        ]
        for name in others {
            for precision in [RotatedNames.Precision.day, .hour, .minute, .second] {
                #expect(names(.dated, .utc, precision).parse(name) == nil, "\(name)")
            }
        }
        for name in ["app.log.1", "app.log.20.gz"] { #expect(names(.numbered).parse(name)?.name == name) }
        for name in ["app.log.0", "app.log.01", "app.log.-1", "app.log.1.", "app.log.2026-11-22", "app.log.1a"] {
            #expect(names(.numbered).parse(name) == nil, "\(name)")
        }
    }

    @Test("names come back from what was written, in the order of the files; the hour that comes twice has two")
    func order() throws {
        let zone = try LogTimeZone.named("Europe/Berlin")
        for precision in [RotatedNames.Precision.hour, .minute, .second] {
            for numbered in [false, true] {
                let names = names(.dated, zone, precision, numbered: numbered)
                var existing: [RotatedName] = []
                let start = Int64(Timestamp.days(2026, 10, 24)) * 86_400 + 79_200
                for index in 0..<60 {
                    let name = names.next(start + Int64(index) * 600, among: existing.shuffled(), after: nil)
                    #expect(names.parse(name.name) == name)
                    #expect(!existing.contains { $0.name == name.name }, "\(name.name) twice")
                    #expect(existing.allSatisfy { $0 < name }, "\(name.name) is not the youngest")
                    existing.append(name)
                }
            }
        }
    }

    @Test("a clock that is put back changes no order")
    func clockSetBack() {
        let names = names()
        let first = names.next(1_000_000, among: [], after: nil)
        let second = names.next(1_000_000 - 3000, among: [first], after: nil)
        #expect(second > first && second.name == first.name + ".001")
        let third = names.next(1_000_000 - 3000, among: [], after: second)
        #expect(third > second && third.name == first.name + ".002")
        #expect(names.next(1_000_000 - 200_000, among: [third], after: nil) < first, "that far back it is another time")
    }

    @Test("retention: the oldest go first, and what is kept has no gaps")
    func retention() {
        let names = names()
        let files = (0..<10).map { index in
            Retention.File(
                name: names.next(Int64(index) * 1000, among: [], after: nil), size: 100,
                modified: Int64(index) * 1_000_000_000_000)
        }
        let now = files[9].modified + 1
        #expect(Retention.all.surplus(files, now: now).isEmpty)
        #expect(Retention.count(3).surplus(files.shuffled(), now: now).count == 7)
        #expect(Set(Retention.count(3).surplus(files, now: now).map(\.name.name)) == Set(files[..<7].map(\.name.name)))
        #expect(
            Set(Retention.age(.seconds(2500)).surplus(files, now: now).map(\.name.name))
                == Set(files[..<7].map(\.name.name)))
        #expect(
            Set(Retention.totalBytes(350).surplus(files, now: now).map(\.name.name))
                == Set(files[..<7].map(\.name.name)))
        #expect(Retention.limits(count: 5, totalBytes: 250).surplus(files, now: now).count == 8)
        #expect(Retention.count(0).surplus(files, now: now).count == 10)
    }
}
#endif
