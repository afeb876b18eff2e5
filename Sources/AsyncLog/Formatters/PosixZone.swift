// A time zone's rule in POSIX notation, for all the years to come: `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX.1-2024, 8.3 TZ;
// RFC 9636, 3.3).
//
//     rule = name offset [ name [ offset ] , date [ / time ] , date [ / time ] ]

struct PosixZone: Sendable {
    /// Seconds ahead of UTC.
    private let standard: Int
    private let daylight: Daylight?

    private struct Daylight: Sendable {
        let offset: Int
        let begin, end: Change
    }

    /// The moment in a year at which the clocks are changed.
    private struct Change: Sendable {
        enum Day: Sendable {
            /// `J60`: the day of the year from 1, February 29th never counted.
            case withoutLeapDay(Int)
            /// `59`: the day of the year from 0.
            case ofYear(Int)
            /// `M3.5.0`: the last (5th) Sunday (0) in March.
            case weekday(month: Int, week: Int, day: Int)
        }
        let day: Day
        /// Seconds after midnight, local time.
        let time: Int

        /// In seconds since 1970 of the local clock.
        func second(in year: Int) -> Int64 {
            let first = Timestamp.days(year, 1, 1)
            let isLeap = Timestamp.days(year + 1, 1, 1) - first == 366
            let days =
                switch day {
                case .ofYear(let number): first + number
                case .withoutLeapDay(let number): first + number - 1 + (isLeap && number >= 60 ? 1 : 0)
                case .weekday(let month, let week, let day): Change.weekday(year, month, week, day)
                }
            return Int64(days) * 86_400 + Int64(time)
        }

        private static func weekday(_ year: Int, _ month: Int, _ week: Int, _ day: Int) -> Int {
            let first = Timestamp.days(year, month, 1)
            let next = month == 12 ? Timestamp.days(year + 1, 1, 1) : Timestamp.days(year, month + 1, 1)
            let weekday = (first % 7 + 7 + 4) % 7  // 1970-01-01 was a Thursday
            var date = first + (day - weekday + 7) % 7 + 7 * (week - 1)
            while date >= next { date -= 7 }
            return date
        }
    }

    /// Nil if the text is not a rule.
    init?(_ text: String) {
        var parser = Parser(text)
        guard parser.name(), let west = parser.offset() else { return nil }
        standard = -west
        guard parser.name() else {
            daylight = nil
            guard parser.isAtEnd else { return nil }
            return
        }
        var offset = standard + 3600
        if !parser.take(","), let west = parser.offset() {
            offset = -west
            guard parser.take(",") else { return nil }
        }
        guard let begin = parser.change(), parser.take(","), let end = parser.change(), parser.isAtEnd else {
            return nil
        }
        daylight = Daylight(offset: offset, begin: begin, end: end)
    }

    func offset(at second: Int64) -> Int {
        guard let daylight else { return standard }
        let year = Timestamp.date((second + Int64(standard)).quotientFloored(by: 86_400).0).year
        let begin = daylight.begin.second(in: year) - Int64(standard)
        let end = daylight.end.second(in: year) - Int64(daylight.offset)
        // In the southern hemisphere summer includes new year.
        let isDaylight = begin < end ? second >= begin && second < end : second >= begin || second < end
        return isDaylight ? daylight.offset : standard
    }

    private struct Parser {
        private var rest: Substring.UTF8View

        init(_ text: String) { rest = text[...].utf8 }

        var isAtEnd: Bool { rest.isEmpty }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest.removeFirst()
            return true
        }

        /// `CET` or `<+03>`
        mutating func name() -> Bool {
            if take("<") {
                rest = rest.drop { $0 != UInt8(ascii: ">") }
                return take(">")
            }
            let name = rest.prefix { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") }
            rest = rest.dropFirst(name.count)
            return name.count >= 3
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func offset() -> Int? {
            let sign = take("-") ? -1 : 1
            if sign == 1 { _ = take("+") }
            guard let hours = number(), hours <= 167 else { return nil }
            var seconds = hours * 3600
            for unit in [60, 1] where take(":") {
                guard let value = number(), value < 60 else { return nil }
                seconds += value * unit
            }
            return sign * seconds
        }

        mutating func change() -> Change? {
            guard let day = day() else { return nil }
            guard take("/") else { return Change(day: day, time: 7200) }
            return offset().map { Change(day: day, time: $0) }
        }

        private mutating func day() -> Change.Day? {
            if take("J") { return number().flatMap { (1...365).contains($0) ? .withoutLeapDay($0) : nil } }
            guard take("M") else { return number().flatMap { $0 <= 365 ? .ofYear($0) : nil } }
            guard let month = number(), take("."), let week = number(), take("."), let day = number() else {
                return nil
            }
            guard (1...12).contains(month), (1...5).contains(week), day <= 6 else { return nil }
            return .weekday(month: month, week: week, day: day)
        }

        private mutating func number() -> Int? {
            let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
            guard (1...3).contains(digits.count) else { return nil }
            rest = rest.dropFirst(digits.count)
            return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }
    }
}
