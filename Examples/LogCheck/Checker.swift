// Follows a log from record to record: which numbers occurred, how often, and in which order.

struct Checker {
    private let order: LogCheck.Order
    private(set) var records = 0
    private(set) var duplicated = Ranges()
    private(set) var outOfOrder = Ranges()
    /// The torn records, and whether the last record of all is one of them.
    private(set) var torn: [String] = []
    private(set) var isLastTorn = false
    private(set) var drops: [Drops] = []
    private(set) var crash: Entry?
    private(set) var notes: [String] = []
    private var seen = SeenNumbers()
    private var latest = -1
    private var latestOfTask: [Int: Int] = [:]

    struct Drops: Equatable {
        let count: Int
        let range: ClosedRange<Int>
    }

    init(order: LogCheck.Order) { self.order = order }

    @discardableResult
    mutating func take(_ entry: Entry) -> Bool {
        isLastTorn = false
        switch entry {
        case .record(let seq, let task): take(seq, task)
        case .drops(let count, let first, let last): drops.append(Drops(count: count, range: first...max(first, last)))
        case .crash: crash = entry
        case .note(let text): notes.append(text)
        case .torn(let text):
            torn.append(text)
            isLastTorn = true
        }
        return true
    }

    /// A torn record at the end of a file that is not the last file counts as torn in the middle.
    mutating func endFile(isLast: Bool) {
        if !isLast { isLastTorn = false }
    }

    private mutating func take(_ seq: Int, _ task: Int) {
        records += 1
        guard seen.insert(seq) else { return duplicated.append(seq) }
        switch order {
        case .acceptance:
            if seq < latest { outOfOrder.append(seq) }
            latest = max(latest, seq)
        case .task:
            let before = latestOfTask[task] ?? -1
            if seq < before { outOfOrder.append(seq) }
            latestOfTask[task] = max(before, seq)
        }
    }

    /// The largest number that occurred; -1 if none has.
    var last: Int { seen.last }

    /// The numbers below `end` that did not occur.
    func missing(before end: Int) -> Ranges { seen.missing(before: end) }
}

/// The set of numbers that occurred: one bit each.
struct SeenNumbers {
    private var words: [UInt64] = []
    private(set) var last = -1

    /// Returns false if the number occurred before.
    mutating func insert(_ number: Int) -> Bool {
        let (word, bit) = (number / 64, UInt64(1) << UInt64(number % 64))
        if word >= words.count { words += Array(repeating: 0, count: max(word + 1 - words.count, words.count)) }
        defer { words[word] |= bit }
        last = max(last, number)
        return words[word] & bit == 0
    }

    private func contains(_ number: Int) -> Bool {
        number / 64 < words.count && words[number / 64] >> UInt64(number % 64) & 1 == 1
    }

    func missing(before end: Int) -> Ranges {
        var missing = Ranges()
        for number in 0..<max(0, end) where !contains(number) { missing.append(number) }
        return missing
    }
}

/// Numbers, with consecutive numbers as ranges.
struct Ranges: CustomStringConvertible {
    private(set) var ranges: [ClosedRange<Int>] = []
    private(set) var count = 0

    mutating func append(_ number: Int) {
        count += 1
        if let last = ranges.last, last.upperBound + 1 == number {
            ranges[ranges.count - 1] = last.lowerBound...number
        } else {
            ranges.append(number...number)
        }
    }

    /// `120: 50-99, 200, 210-278`: the count and the first ten ranges.
    var description: String {
        guard count > 0 else { return "0" }
        let texts = ranges.prefix(10).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return "\(count): " + texts.joined(separator: ", ") + (ranges.count > 10 ? ", … (\(ranges.count) ranges)" : "")
    }
}
