// What rotated files are called, and which files are therefore ours. Pure.
//
// A name is read as strictly as it is written, whole and to the last digit: a name that this could not have made itself
// belongs to another program and is left alone. Everything that is known of the rotated files is known from their
// names, so a restarted program goes on where the last one ended.

/// What a log file is called when it has been rotated.
public struct RotationNaming: Sendable {
    enum Kind: Sendable {
        case dated
        case numbered
        case custom(
            make: @Sendable (WallTime, Int) -> String, parse: @Sendable (String) -> (time: WallTime, sequence: Int)?)
    }
    let kind: Kind

    /// `app.log.2026-11-22`, `app.log.2026-11-22_06`, `app.log.2026-11-22_06-30-00`: when what is in it began, as
    /// exactly as the rotation's triggers need it; for files that end by their size alone, when they ended. In another
    /// zone than UTC a time of day has its offset with it (`app.log.2026-10-25_02+0200`), so that the hour that comes
    /// twice has two names. Several files of one moment are numbered: `app.log.2026-11-22.001`. No file is ever renamed
    /// again.
    public static let dated = RotationNaming(kind: .dated)

    /// `app.log.1` is the last one, `app.log.2` the one before: all are renamed at each rotation, as Python's
    /// `RotatingFileHandler` and logrotate do it.
    public static let numbered = RotationNaming(kind: .numbered)

    /// Names of one's own, in the log file's folder.
    ///
    ///     .custom { "app-\(days($0))-\($1).log" } parse: { name in … }
    ///
    /// - Parameters:
    ///   - make: the name for a file with this time, and a number from 0 for files of the same time. Other numbers have
    ///     to make other names.
    ///   - parse: the other way, for what `make` makes; nil for anything else. Files of which it says that they are
    ///     ours are kept and deleted as the rotation's settings have it.
    public static func custom(
        _ make: @escaping @Sendable (_ time: WallTime, _ sequence: Int) -> String,
        parse: @escaping @Sendable (_ name: String) -> (time: WallTime, sequence: Int)?
    ) -> RotationNaming { RotationNaming(kind: .custom(make: make, parse: parse)) }
}

/// The name of a rotated file, read.
struct RotatedName: Sendable, Equatable, Comparable {
    /// Which one it is among the others: older ones are smaller.
    struct Order: Sendable, Hashable, Comparable {
        /// Seconds since 1970; for numbered files their number, negated.
        let second: Int64
        let sequence: Int

        static func < (a: Order, b: Order) -> Bool { (a.second, a.sequence) < (b.second, b.sequence) }
    }

    let order: Order
    /// The name without what compression adds.
    let plain: String
    /// `.gz`, `.zst`, or nothing.
    let suffix: String

    var name: String { plain + suffix }
    var isCompressed: Bool { !suffix.isEmpty }

    static func < (a: RotatedName, b: RotatedName) -> Bool { (a.order, a.suffix) < (b.order, b.suffix) }
}

/// The names of one log file's rotated files.
struct RotatedNames: Sendable {
    /// How much of a time stands in a name.
    enum Precision: Int, Sendable, Comparable {
        case day, hour, minute, second
        static func < (a: Precision, b: Precision) -> Bool { a.rawValue < b.rawValue }
    }

    /// The log file's own name.
    let base: String
    let naming: RotationNaming
    let zone: LogTimeZone
    let precision: Precision
    /// Each file has a number, not only those that share their moment with another: else `….gz` and `….001.gz` would
    /// sort the wrong way round.
    let isAlwaysNumbered: Bool

    private static let suffixes = [".gz", ".zst"]
    private static let day: Int64 = 86_400

    /// What a file is called until it is whole.
    static let partialSuffix = ".partial"

    // MARK: Reading

    /// Nil: not a name that could be one of ours.
    func parse(_ name: String) -> RotatedName? {
        let suffix = Self.suffixes.first { name.hasSuffix($0) } ?? ""
        let plain = String(name.dropLast(suffix.count))
        guard let order = order(plain) else { return nil }
        return RotatedName(order: order, plain: plain, suffix: suffix)
    }

    private func order(_ plain: String) -> RotatedName.Order? {
        if case .custom(let make, let parse) = naming.kind {
            guard plain != base, let (time, sequence) = parse(plain), sequence >= 0, make(time, sequence) == plain
            else { return nil }
            return RotatedName.Order(
                second: Int64(time.nanoseconds.quotientFloored(by: 1_000_000_000).0), sequence: sequence)
        }
        guard plain.hasPrefix(base + ".") else { return nil }
        var reader = NameReader(plain.dropFirst(base.count + 1))
        switch naming.kind {
        case .numbered:
            guard let number = reader.number(), number > 0, reader.isAtEnd else { return nil }
            return RotatedName.Order(second: -Int64(number), sequence: 0)
        default:
            guard let order = reader.stamp(precision, zone), !isAlwaysNumbered || order.sequence > 0 else { return nil }
            return order
        }
    }

    // MARK: Writing

    /// The name for a file of this moment, given those that are there, and the last one that was made.
    func next(_ second: Int64, among existing: [RotatedName], after last: RotatedName?) -> RotatedName {
        let name = make(second, firstSequence)
        let others = existing + (last.map { [$0] } ?? [])
        guard let newest = others.max() else { return name }
        // The clock has been put back a little: the order of the files counts for more than what their names say.
        let isLate = newest.order.second > name.order.second && newest.order.second - name.order.second <= Self.day
        if isLate { return successor(of: newest) }
        return others.filter { $0.order.second == name.order.second }.max().map(successor) ?? name
    }

    /// Traps if names of the user's own scheme are not recognised again, or are the same for two files: when the
    /// handler is made, and not at midnight.
    func check() {
        guard case .custom = naming.kind else { return }
        let first = make(1_000_000_000, 0)
        precondition(
            successor(of: first).plain != first.plain, "two rotated files would both be called \"\(first.plain)\"")
    }

    private var firstSequence: Int {
        if case .custom = naming.kind { return 0 }
        return isAlwaysNumbered ? 1 : 0
    }

    /// The next name of the same moment.
    func successor(of name: RotatedName) -> RotatedName {
        if case .custom = naming.kind { return make(name.order.second, name.order.sequence + 1) }
        let stamp =
            name.order.sequence > 0 ? String(name.plain.dropLast(Self.text(name.order.sequence).count)) : name.plain
        let sequence = name.order.sequence + 1
        return RotatedName(
            order: RotatedName.Order(second: name.order.second, sequence: sequence), plain: stamp + Self.text(sequence),
            suffix: "")
    }

    /// The name of the n-th last file.
    func numbered(_ number: Int, suffix: String = "") -> RotatedName {
        RotatedName(
            order: RotatedName.Order(second: -Int64(number), sequence: 0), plain: base + ".\(number)", suffix: suffix)
    }

    private func make(_ second: Int64, _ sequence: Int) -> RotatedName {
        let plain: String
        if case .custom(let make, _) = naming.kind {
            plain = make(WallTime(nanoseconds: second * 1_000_000_000), sequence)
        } else {
            plain = base + "." + stamp(second) + (sequence > 0 ? Self.text(sequence) : "")
        }
        guard let name = parse(plain), !name.isCompressed, !plain.contains("/") else {
            preconditionFailure("rotated files are not called \"\(plain)\": their names must be recognised again")
        }
        return name
    }

    /// `.001`
    private static func text(_ sequence: Int) -> String {
        let digits = "\(sequence)"
        return "." + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    }

    /// `2026-11-22_06-30+0100`
    private func stamp(_ second: Int64) -> String {
        let offset = zone.offset(at: second)
        let (date, rest) = (second + Int64(offset)).quotientFloored(by: Self.day)
        let (year, month, day) = Timestamp.date(date)
        var text = "\(year)-\(Self.pair(month))-\(Self.pair(day))"
        guard precision > .day else { return text }
        text += "_" + Self.pair(rest / 3600)
        if precision >= .minute { text += "-" + Self.pair(rest / 60 % 60) }
        if precision >= .second { text += "-" + Self.pair(rest % 60) }
        if !zone.isUTC {
            text += (offset < 0 ? "-" : "+") + Self.pair(abs(offset) / 3600) + Self.pair(abs(offset) / 60 % 60)
        }
        return text
    }

    private static func pair(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
}

/// Reads what stands behind the log file's own name.
private struct NameReader {
    private var rest: Substring.UTF8View

    init(_ text: Substring) { rest = text.utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    /// As many digits as there are, as long as they are `count`, if that is given.
    private mutating func digits(_ count: Int? = nil) -> Int? {
        let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard !digits.isEmpty, digits.count <= 9, count == nil || digits.count == count else { return nil }
        rest = rest.dropFirst(digits.count)
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    /// Without zeros in front.
    mutating func number() -> Int? { rest.first == UInt8(ascii: "0") ? nil : digits() }

    /// `2026-11-22_06-30-00+0100.001`, with exactly as much behind the date as this precision has, and the offset that
    /// the zone has then.
    mutating func stamp(_ precision: RotatedNames.Precision, _ zone: LogTimeZone) -> RotatedName.Order? {
        guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2) else { return nil }
        guard (1...12).contains(month), case let date = Timestamp.days(year, month, day),
            Timestamp.date(date) == (year, month, day)
        else {
            return nil
        }
        var second = Int64(date) * 86_400
        if precision > .day {
            guard take("_"), let hour = digits(2), hour < 24 else { return nil }
            second += Int64(hour) * 3600
            for (unit, least) in [(Int64(60), RotatedNames.Precision.minute), (1, .second)] where precision >= least {
                guard take("-"), let value = digits(2), value < 60 else { return nil }
                second += Int64(value) * unit
            }
            if !zone.isUTC {
                guard let offset = offset() else { return nil }
                second -= offset
                guard zone.offset(at: second) == offset else { return nil }
            }
        }
        guard !isAtEnd else { return RotatedName.Order(second: second, sequence: 0) }
        guard take("."), rest.count >= 3, rest.count == 3 || rest.first != UInt8(ascii: "0"), let sequence = digits(),
            sequence > 0, isAtEnd
        else {
            return nil
        }
        return RotatedName.Order(second: second, sequence: sequence)
    }

    private mutating func offset() -> Int64? {
        guard let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return nil }
        let digits = rest.dropFirst().prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        guard digits.count == 4 else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        guard number / 100 < 24, number % 100 < 60, number > 0 || sign == UInt8(ascii: "+") else { return nil }
        rest = rest.dropFirst(5)
        return (number / 100 * 3600 + number % 100 * 60) * (sign == UInt8(ascii: "-") ? -1 : 1)
    }
}
