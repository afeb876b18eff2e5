// The findings in a log, and the verdict.

struct Findings {
    private(set) var complaints: [String] = []
    private var lines: [(String, String)] = []

    init(_ checker: Checker, _ report: LoadReport?, _ options: LogCheck) {
        let end = max(checker.last + 1, options.killed ? 0 : report?.accepted ?? options.lines ?? 0)
        let missing = checker.missing(before: end)
        say("records", checker.last < 0 ? "0" : "\(checker.records), numbers 0 to \(checker.last)")
        say(
            "torn",
            checker.torn.isEmpty
                ? "0" : "\(checker.torn.count)\(checker.isLastTorn ? ", the last record of all among them" : "")")
        say("duplicated", checker.duplicated.description)
        say("out of order", checker.outOfOrder.description)
        say("missing", missing.description)

        let mayLastBeTorn = options.killed || options.allow.contains(.tornLast)
        let tornInside = checker.torn.count - (checker.isLastTorn && mayLastBeTorn ? 1 : 0)
        require(tornInside == 0, "\(tornInside) torn")
        require(checker.duplicated.count == 0, "\(checker.duplicated.count) duplicated")
        require(checker.outOfOrder.count == 0, "\(checker.outOfOrder.count) out of order")
        compareWithDrops(missing, checker, options)
        if let report {
            options.killed ? compareWithFlushed(report, checker) : compareWithLedger(report, missing, checker)
        }
        if let lines = options.lines, report == nil {
            require(checker.last < lines, "numbers up to \(checker.last), where \(lines) were logged")
        }
    }

    /// Requires that the missing records are those that the log reports.
    private mutating func compareWithDrops(_ missing: Ranges, _ checker: Checker, _ options: LogCheck) {
        let reported = checker.drops.reduce(0) { $0 + $1.count }
        var lost = 0
        if case .crash(let signal, let unwritten, let undelivered)? = checker.crash {
            lost = unwritten + undelivered
            say("crash", "\(signal), \(unwritten) unwritten, \(undelivered) undelivered")
        }
        // If only the last record is known, records lost behind it cannot be detected.
        let isEndKnown = checker.crash == nil || options.lines != nil
        let isEqual =
            missing.count == reported + lost || !isEndKnown && (reported..<reported + lost).contains(missing.count)
        say(
            "drop reports",
            "\(checker.drops.count), of \(reported) records: \(isEqual ? "equal to what is missing" : "not what is missing")"
        )
        if options.allow.contains(.unreported), missing.count > reported + lost { return }
        require(isEqual, "\(missing.count) missing, where the log says \(reported + lost)")
        // The logger numbers records as it accepts them. The places can be compared only if these are the load's
        // numbers.
        guard options.order != .task else { return }
        let strays = missing.ranges.filter { range in
            range.upperBound <= checker.last && !checker.drops.contains { $0.range.overlaps(range) }
        }
        require(strays.isEmpty, "no drop report is about \(strays.first.map { "\($0.lowerBound)" } ?? "")")
    }

    /// Requires that the counts of present and missing records are those of the ledger.
    private mutating func compareWithLedger(_ report: LoadReport, _ missing: Ranges, _ checker: Checker) {
        let isBalanced = report.accepted == report.written + report.droppedTotal + report.pending
        let isEqual =
            isBalanced && checker.records == report.written && missing.count == report.droppedTotal + report.pending
        say(
            "ledger",
            "accepted \(report.accepted), written \(report.written), dropped \(report.droppedTotal), pending \(report.pending): "
                + (isEqual ? "equal to what is there and what is missing" : "not what is there and what is missing"))
        require(isBalanced, "the ledger does not balance")
        require(
            checker.records == report.written,
            "\(checker.records) records, where the ledger has \(report.written) as written")
        require(
            missing.count == report.droppedTotal + report.pending,
            "\(missing.count) missing, where the ledger has \(report.droppedTotal) as dropped and \(report.pending) as pending"
        )
    }

    /// Requires that every record flushed before the program was killed is present.
    private mutating func compareWithFlushed(_ report: LoadReport, _ checker: Checker) {
        let flushed = checker.missing(before: report.accepted - report.pending)
        let lost = flushed.count - report.droppedTotal
        say("flushed", "\(report.written) records: \(lost <= 0 ? "all there" : "\(lost) missing")")
        require(lost <= 0, "\(lost) missing that had been flushed")
    }

    private mutating func say(_ what: String, _ finding: String) { lines.append((what, finding)) }

    private mutating func require(_ condition: Bool, _ complaint: String) {
        if !condition { complaints.append(complaint) }
    }

    var text: String {
        let verdict = complaints.isEmpty ? "in order" : "NOT in order: " + complaints.joined(separator: "; ")
        return (lines + [("verdict", verdict)]).map { $0.0.padding(toLength: 14) + $0.1 }.joined(separator: "\n")
    }
}

extension String {
    fileprivate func padding(toLength length: Int) -> String {
        self + String(repeating: " ", count: max(1, length - count))
    }
}
