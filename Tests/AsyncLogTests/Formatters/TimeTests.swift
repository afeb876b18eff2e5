// Times: the calendar, the zones, the days on which the clocks are changed.
import AsyncLog
import TestSupport
import Testing

@Suite("Time")
struct TimeTests {
    private func line(_ zone: LogTimeZone, _ nanoseconds: Int64, _ pattern: String = "{time:ns}") throws -> String {
        try onLoop {
            let collector = Collector(TextFormatter(pattern: try TextPattern(pattern), timeZone: zone))
            let clock = ManualLogClock(WallTime(nanoseconds: nanoseconds))
            await Logger("app", handlers: [collector], clock: .manual(clock)).info("m")
            return collector.texts[0]
        }
    }

    @Test("the ends of the range, the epoch, leap days, the moment before")
    func calendar() throws {
        #expect(try line(.utc, 0) == "1970-01-01T00:00:00.000000000Z")
        #expect(try line(.utc, -1) == "1969-12-31T23:59:59.999999999Z")
        #expect(try line(.utc, .max) == "2262-04-11T23:47:16.854775807Z")
        #expect(try line(.utc, .min) == "1677-09-21T00:12:43.145224192Z")
        #expect(try line(.utc, 951_782_400_000_000_000) == "2000-02-29T00:00:00.000000000Z")
        #expect(try line(.utc, -1, "{epoch:s} {epoch:ms} {epoch:ns}") == "-1 -1 -1")
    }

    @Test("a fixed zone, ahead and behind")
    func fixed() throws {
        #expect(try line(.fixed(secondsFromUTC: 19_800), 0, "{time:s}") == "1970-01-01T05:30:00+05:30")
        #expect(
            try line(.fixed(secondsFromUTC: -12_600), 0, "{time:s} {clock:s}") == "1969-12-31T20:30:00-03:30 20:30:00")
    }

    @Test("Berlin's summer begins and ends at the right second, this year and in 2101")
    func berlin() throws {
        let berlin = try LogTimeZone.named("Europe/Berlin")
        #expect(try line(berlin, 1_774_745_999_000_000_000, "{time:s}") == "2026-03-29T01:59:59+01:00")
        #expect(try line(berlin, 1_774_746_000_000_000_000, "{time:s}") == "2026-03-29T03:00:00+02:00")
        #expect(try line(berlin, 1_792_889_999_000_000_000, "{time:s}") == "2026-10-25T02:59:59+02:00")
        #expect(try line(berlin, 1_792_890_000_000_000_000, "{time:s}") == "2026-10-25T02:00:00+01:00")
        #expect(try line(berlin, 4_141_000_000_000_000_000, "{time:s}").hasSuffix("+01:00") == true)
    }

    @Test(
        "a zone that does not exist is an error that names it",
        arguments: ["Europe/Atlantis", "", "../../etc/passwd", "/etc/passwd", "tzdata.zi"])
    func missing(name: String) throws {
        let error = try #require(throws: TimeZoneError.self) { try LogTimeZone.named(name) }
        #expect(error.name == name)
    }

    @Test(
        "the offsets of many zones at many moments are what Python's zoneinfo says",
        .enabled(if: Python.withZones == nil, "skipped: there is no Python 3 with the module zoneinfo"))
    func zones() throws {
        var random = SeededGenerator(state: 7)
        let names = [
            "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata",
            "Africa/Casablanca", "Pacific/Apia",
            "America/St_Johns", "Europe/Dublin", "Antarctica/Troll", "Asia/Tehran", "UTC",
        ]
        var input = ""
        var expected: [String] = []
        for name in names {
            let zone = try LogTimeZone.named(name)
            for _ in 0..<200 {
                // Whole minutes, and no earlier than 1973: offsets had seconds before, which RFC 3339 cannot express.
                let second = Int64.random(in: 94_694_400...8_000_000_000, using: &random)
                input += "\(name) \(second)\n"
                let text = try line(zone, second * 1_000_000_000, "{time:s}")
                expected.append(text)
            }
        }
        let offsets = try Python.run("zones.py", [], input: Array(input.utf8)).split(separator: "\n").map { Int($0)! }
        #expect(offsets.count == expected.count)
        for (offset, text) in zip(offsets, expected) {
            let suffix = text.hasSuffix("Z") ? "+00:00" : String(text.suffix(6))
            let parts = suffix.dropFirst().split(separator: ":").map { Int($0)! }
            #expect((parts[0] * 3600 + parts[1] * 60) * (suffix.hasPrefix("-") ? -1 : 1) == offset, "\(text)")
        }
    }
}
