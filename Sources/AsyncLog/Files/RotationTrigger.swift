// What makes a log file end and a new one begin.

/// A reason to rotate a log file.
///
///     Rotation(.size(10 << 20), .daily(at: TimeOfDay(4, 30)), keep: .count(7))
///
/// Of several, whichever comes first.
public struct RotationTrigger: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case size(Int64)
        case start
        case clock(ClockTrigger)
    }
    let kind: Kind

    /// Before a file would get larger than so many bytes. A record that is larger by itself gets a file of its own.
    public static func size(_ bytes: Int) -> RotationTrigger {
        precondition(bytes > 0, "files of at most \(bytes) bytes")
        return RotationTrigger(kind: .size(Int64(bytes)))
    }

    /// When the file is opened for the first time, if there is something in it.
    public static let atStart = RotationTrigger(kind: .start)

    /// The units of `every`.
    public enum Unit: Sendable, Equatable {
        case seconds, minutes, hours, days

        var seconds: Int64 {
            switch self {
            case .seconds: 1
            case .minutes: 60
            case .hours: 3600
            case .days: 86_400
            }
        }
    }

    /// Every so many seconds, minutes, hours or days by the local clock, counted from midnight, 1970-01-01: `.every(6,
    /// .hours)` at 0, 6, 12 and 18 o'clock, whenever the program was started. What the clock skips when it is put
    /// forward happens at that moment; an hour that it shows twice ends twice. Days end at midnight, once each.
    public static func every(_ count: Int = 1, _ unit: Unit) -> RotationTrigger {
        precondition(count > 0 && count <= 1_000_000, "every \(count) \(unit)")
        return RotationTrigger(
            kind: .clock(unit == .days ? .days(count, at: .midnight) : .period(Int64(count) * unit.seconds, unit)))
    }

    /// Every day at this time. If the clock skips it, at the moment when it does; if the clock shows it twice, the
    /// first time.
    public static func daily(at time: TimeOfDay = .midnight) -> RotationTrigger {
        RotationTrigger(kind: .clock(.days(1, at: time)))
    }

    /// On these days of the week, at this time; with `weeks`, not in each week.
    public static func weekly(on days: Set<Weekday>, at time: TimeOfDay = .midnight, everyWeeks weeks: Int = 1)
        -> RotationTrigger
    {
        precondition(!days.isEmpty && weeks > 0, "on no day of the week, or every \(weeks) weeks")
        return RotationTrigger(kind: .clock(.weekdays(days, at: time, weeks: weeks)))
    }

    /// What Python's `TimedRotatingFileHandler` and aiologger call `when`: `S`, `M`, `H`, `D`, `W0` (Monday) to `W6`,
    /// `midnight`, in capitals or not.
    ///
    /// `midnight` and `W0` to `W6` end a file when CPython does: without a time of day, `W0` ends it at the midnight
    /// with which Monday *ends*. With an interval of n that is the first such moment after the file's beginning, and n
    /// - 1 days or weeks more (CPython 3.13; before that, it ignored the interval here).
    ///
    /// `S`, `M`, `H` and `D` differ from Python's: a file ends when the clock on the wall shows a multiple (`.every`),
    /// so `H` ends it on the hour and `D` at midnight. Python adds the interval to the moment at which the handler was
    /// made or the last file ended: its `H` ends a file at 9:17 if the program was started at 8:17.
    ///
    /// - Parameters:
    ///   - interval: every how many of them. Of weekdays: every how many weeks.
    ///   - time: for `midnight` and `W0` to `W6`, instead of midnight at the end of the day: `atTime`.
    /// - Throws: `RotationError` for anything else.
    public static func when(_ when: String, interval: Int = 1, at time: TimeOfDay? = nil) throws(RotationError)
        -> RotationTrigger
    {
        let name = when.uppercased()
        guard interval > 0, interval <= 1_000_000 else {
            throw RotationError(setting: "interval \(interval)", reason: "it is a number from 1 to 1000000")
        }
        let units: [String: Unit] = ["S": .seconds, "M": .minutes, "H": .hours, "D": .days]
        if let unit = units[name], time == nil { return .every(interval, unit) }
        if units[name] != nil {
            throw RotationError(setting: "when \"\(when)\"", reason: "a time of day goes with midnight and W0 to W6")
        }
        if name == "MIDNIGHT" { return .afterBeginning(Weekday.allCases, at: time, furtherDays: interval - 1) }
        guard name.utf8.count == 2, name.hasPrefix("W"), let number = Int(name.dropFirst()),
            let day = Weekday(rawValue: number)
        else {
            throw RotationError(setting: "when \"\(when)\"", reason: "it is one of S, M, H, D, W0 to W6, midnight")
        }
        return .afterBeginning([day], at: time, furtherDays: 7 * (interval - 1))
    }

    /// Without a time of day the end is that of the day, the next one's midnight.
    private static func afterBeginning(_ days: [Weekday], at time: TimeOfDay?, furtherDays: Int) -> RotationTrigger {
        let days = Set(time == nil ? days.map(\.next) : days)
        return RotationTrigger(kind: .clock(.afterBeginning(days, at: time ?? .midnight, furtherDays: furtherDays)))
    }
}

/// A setting that is none.
public struct RotationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which setting, with its value.
    public let setting: String
    /// What is wrong with it.
    public let reason: String
    public var description: String { "rotation, \(setting): \(reason)" }
}

/// Days of the week; the numbers are Python's.
public enum Weekday: Int, Sendable, CaseIterable {
    case monday, tuesday, wednesday, thursday, friday, saturday, sunday

    /// - Parameter day: counted from 1970-01-01, which was a Thursday.
    init(day: Int) { self = Weekday(rawValue: ((day + 3) % 7 + 7) % 7)! }

    var next: Weekday { Weekday(rawValue: (rawValue + 1) % 7)! }
}

/// What a clock on the wall shows.
public struct TimeOfDay: Sendable, Hashable, CustomStringConvertible {
    /// Seconds after midnight.
    let second: Int64

    /// 0:00
    public static let midnight = TimeOfDay(0)

    /// - Precondition: it is one: hours to 23, minutes and seconds to 59.
    public init(_ hour: Int, _ minute: Int = 0, _ second: Int = 0) {
        precondition(
            (0..<24).contains(hour) && (0..<60).contains(minute) && (0..<60).contains(second),
            "a time of day \(hour):\(minute):\(second)")
        self.second = Int64(hour * 3600 + minute * 60 + second)
    }

    /// `4:30`, `04:30`, `04:30:15`. Nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            (1...2).contains(part.utf8.count) && part.utf8.allSatisfy { (48...57).contains($0) } ? Int(part) : nil
        }
        guard (2...3).contains(parts.count), numbers.count == parts.count, numbers[0] < 24,
            numbers[1...].allSatisfy({ $0 < 60 })
        else { return nil }
        self.init(numbers[0], numbers[1], numbers.count == 3 ? numbers[2] : 0)
    }

    public var description: String {
        let parts = [second / 3600, second / 60 % 60, second % 60].map { ($0 < 10 ? "0" : "") + "\($0)" }
        return (second % 60 == 0 ? parts.prefix(2) : parts[...]).joined(separator: ":")
    }
}
