// When log files end by the clock. Pure: moments in, moments out, in seconds since 1970-01-01T00:00:00Z.
//
// The rules are about what a clock on the wall shows, and that clock is put forward and back. So there are two kinds of
// them:
//
// - A *period* (seconds, minutes, hours) ends at each moment at which the clock shows a multiple of it, counted from
//   midnight, 1970-01-01. When the clock is put forward over one or more of them, that is the end; when it is put back,
//   it may show one twice, and both times end a period.
// - A *day* ends once: the first time that the clock shows the hour, or is put forward over it.
//
// Which days these are, the calendar says (every second day since 1970), or the beginning of the file (the second
// Monday after it), as in Python. A file whose days are counted from its beginning has, by its name, begun at the last
// of the days that come into question.
//
// A zone tells only its offset at a moment. That it has changed between two moments less than a day apart is seen in
// the offset, and when, by halving; so nothing here needs to know the zone's rules.

/// A rule by the clock.
enum ClockTrigger: Sendable, Equatable {
    /// In seconds. The unit says how exact the names of files are.
    case period(Int64, RotationTrigger.Unit)
    /// Every n-th day since 1970-01-01.
    case days(Int, at: TimeOfDay)
    /// In every n-th week since the one of 1970-01-01.
    case weekdays(Set<Weekday>, at: TimeOfDay, weeks: Int)
    /// The first of these days after the file's beginning, and so many days later: as Python counts.
    case afterBeginning(Set<Weekday>, at: TimeOfDay, furtherDays: Int)
}

/// When log files end by the clock.
struct RotationSchedule: Sendable {
    let rules: [ClockTrigger]
    let zone: LogTimeZone

    private static let day: Int64 = 86_400

    /// The first end of a file after `second`.
    func next(after second: Int64) -> Int64? { rules.compactMap { next($0, after: second) }.min() }

    /// When the file began that is written at `second`: the last end of one that is not after it.
    func start(at second: Int64) -> Int64? { rules.compactMap { last($0, notAfter: second) }.max() }

    private func next(_ rule: ClockTrigger, after second: Int64) -> Int64? {
        switch rule {
        case .period(let length, _): return nextEnd(of: length, after: second)
        case .afterBeginning(_, let time, let furtherDays):
            return nextDate(rule, after: second).map { moment($0 + furtherDays, time) }
        case .days, .weekdays:
            return nextDate(rule, after: second).map { moment($0, Self.time(rule)) }
        }
    }

    /// The date of the first end after `second`.
    private func nextDate(_ rule: ClockTrigger, after second: Int64) -> Int? {
        // The date of the day before may still be to come, where the clock was put back over midnight.
        var date = date(second) - 1
        let last = date + Self.farthest(rule)
        while date <= last {
            if Self.isEnd(date, rule), moment(date, Self.time(rule)) > second { return date }
            date += 1
        }
        return nil
    }

    private func last(_ rule: ClockTrigger, notAfter second: Int64) -> Int64? {
        switch rule {
        case .period(let length, _): return lastEnd(of: length, notAfter: second)
        case .days, .weekdays, .afterBeginning:
            var date = date(second) + 1
            let first = date - Self.farthest(rule)
            while date >= first {
                if Self.isEnd(date, rule), case let moment = moment(date, Self.time(rule)), moment <= second {
                    return moment
                }
                date -= 1
            }
            return nil
        }
    }

    // MARK: Days

    /// The date by the local clock, as a number of days.
    private func date(_ second: Int64) -> Int { local(second).quotientFloored(by: Self.day).0 }

    private static func time(_ rule: ClockTrigger) -> TimeOfDay {
        switch rule {
        case .days(_, let time), .weekdays(_, let time, _), .afterBeginning(_, let time, _): time
        case .period: .midnight
        }
    }

    private static func isEnd(_ date: Int, _ rule: ClockTrigger) -> Bool {
        switch rule {
        case .period: false
        case .days(let count, _): date % count == 0
        // Weeks begin on Mondays; 1969-12-29 was one.
        case .weekdays(let days, _, let weeks):
            days.contains(Weekday(day: date)) && Int64(date + 3).quotientFloored(by: 7).0 % weeks == 0
        case .afterBeginning(let days, _, _): days.contains(Weekday(day: date))
        }
    }

    /// In how many days there is surely one.
    private static func farthest(_ rule: ClockTrigger) -> Int {
        switch rule {
        case .period: 0
        case .days(let count, _): count + 3
        case .weekdays(_, _, let weeks): 7 * weeks + 3
        case .afterBeginning: 10
        }
    }

    /// The first moment at which the local clock shows this, or is put forward over it.
    func moment(_ date: Int, _ time: TimeOfDay) -> Int64 {
        let shown = Int64(date) * Self.day + time.second
        // No zone is as far from UTC as this, nor does one change twice in so short a time.
        var (low, high) = (shown - 2 * Self.day, shown + 2 * Self.day)
        let candidates = [zone.offset(at: low), zone.offset(at: high)].map { shown - Int64($0) }.filter {
            local($0) == shown
        }
        if let first = candidates.min() { return first }
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if local(middle) < shown { low = middle } else { high = middle }
        }
        return high
    }

    // MARK: Periods

    private func local(_ second: Int64) -> Int64 { second + Int64(zone.offset(at: second)) }

    private func nextEnd(of length: Int64, after second: Int64) -> Int64 {
        var from = second
        while true {
            let rest = local(from).quotientFloored(by: length).1
            let end = from + length - Int64(rest)
            let to = min(end, from + Self.day)
            if let change = change(after: from, upTo: to) {
                if isEnd(change, of: length) { return change }
                from = change
            } else if to == end {
                return end
            } else {
                from = to
            }
        }
    }

    private func lastEnd(of length: Int64, notAfter second: Int64) -> Int64 {
        var to = second
        while true {
            if isEnd(to, of: length) { return to }
            let rest = local(to).quotientFloored(by: length).1
            let end = to - Int64(rest)
            let from = max(end, to - Self.day)
            if let change = change(after: from, upTo: to) {
                if isEnd(change, of: length) { return change }
                to = change - 1
            } else if from == end {
                return end
            } else {
                to = from
            }
        }
    }

    /// Whether the clock shows a multiple at this moment, or has just been put forward over one.
    private func isEnd(_ second: Int64, of length: Int64) -> Bool {
        let (index, rest) = local(second).quotientFloored(by: length)
        return rest == 0 || local(second - 1).quotientFloored(by: length).0 < index
    }

    /// The moment after `low`, and not after `high`, at which the offset changes, if it is another at `high`.
    private func change(after low: Int64, upTo high: Int64) -> Int64? {
        let before = zone.offset(at: low)
        guard zone.offset(at: high) != before else { return nil }
        var (low, high) = (low, high)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if zone.offset(at: middle) == before { low = middle } else { high = middle }
        }
        return high
    }

}
