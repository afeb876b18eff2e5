// `RotationTrigger.when` against CPython's own TimedRotatingFileHandler.
#if DEBUG
import EventLoop
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Rotation as in Python")
struct PythonRolloverTests {
    private static let missing = Python.missing("logging.handlers")

    @Test(
        "W0 to W6 and midnight end files when CPython ends them, with and without a time of day",
        .enabled(if: missing == nil, "skipped: \(missing ?? "")"))
    func againstPython() throws {
        var random = SeededGenerator(state: 30)
        var input = ""
        var ours: [(text: String, end: Int64?)] = []
        for zone in ["UTC", "Europe/Berlin"] {
            let local: LogTimeZone = zone == "UTC" ? .utc : try .named(zone)
            for _ in 0..<1500 {
                let when = (Weekday.allCases.map { "W\($0.rawValue)" } + ["midnight"]).randomElement(using: &random)!
                // Where the clocks are changed, Python of old versions errs by an hour: only whole weeks of summer are
                // looked at there.
                let span: Range<Int64> = zone == "UTC" ? 1_700_000_000..<2_000_000_000 : 1_777_000_000..<1_788_000_000
                let interval = zone == "UTC" && Bool.random(using: &random) ? Int.random(in: 2...5, using: &random) : 1
                let second = Int64.random(in: span, using: &random)
                var time: TimeOfDay?
                if Bool.random(using: &random) {
                    time = TimeOfDay(
                        Int.random(in: 0..<24, using: &random), Int.random(in: 0..<60, using: &random),
                        Int.random(in: 0..<60, using: &random))
                }
                // A file that is begun in the very second of its end: versions of Python differ.
                if Int64(second + Int64(local.offset(at: second))) % 86_400 == time?.second { continue }
                let parts = time.map {
                    [$0.second / 3600, $0.second / 60 % 60, $0.second % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }
                }
                let line = "\(zone) \(when) \(interval) \(parts?.joined(separator: ":") ?? "-") \(second)"
                input += line + "\n"
                let schedule = Rotation(try .when(when, interval: interval, at: time), in: local).schedule
                ours.append((line, schedule?.next(after: second)))
            }
        }
        let theirs = try Python.run("rollover.py", [], input: Array(input.utf8)).split(separator: "\n").map {
            Int64($0)
        }
        #expect(theirs.count == ours.count)
        let differences = zip(ours, theirs).filter { $0.end != $1 }
        #expect(differences.isEmpty, "\(differences.count) of \(ours.count), the first: \(differences.first!)")
    }

    @Test("CPython's own example: W0 without a time of day ends at midnight at the end of Monday")
    func endOfMonday() throws {
        let schedule = try #require(Rotation(try .when("W0")).schedule)
        let monday = Int64(Timestamp.days(2026, 11, 23)) * 86_400
        #expect(Weekday(day: Timestamp.days(2026, 11, 23)) == .monday)
        #expect(schedule.next(after: monday) == monday + 86_400)
        #expect(schedule.next(after: monday + 86_399) == monday + 86_400)
        #expect(schedule.next(after: monday + 86_400) == monday + 8 * 86_400)
        #expect(
            schedule.start(at: monday + 86_400) == monday + 86_400 && schedule.start(at: monday) == monday - 6 * 86_400)
    }

    @Test(
        "every n-th week is counted from the file's beginning, as CPython does, and a file's end is not before its beginning"
    )
    func everyFewWeeks() throws {
        let schedule = try #require(
            Rotation(try .when("W6", interval: 3, at: TimeOfDay(4, 30)), in: try .named("Europe/Berlin")).schedule)
        // A Thursday in October; the third Sunday after it is behind the end of summer time.
        let begin = Int64(Timestamp.days(2026, 10, 15)) * 86_400
        let end = Int64(Timestamp.days(2026, 11, 1)) * 86_400 + 4 * 3600 + 1800 - 3600
        #expect(schedule.next(after: begin) == end)
    }
}
#endif
