// Which rotated files are kept. Pure.

/// How many rotated files are kept, for how long, and how large they may be together. What is beyond any of the limits
/// goes, the oldest first, at each rotation and when the handler starts. Only files with names of the handler's own
/// making are counted and deleted.
public struct Retention: Sendable, Equatable {
    let count: Int?
    let age: Duration?
    let totalBytes: Int64?

    /// All files are kept.
    public static let all = Retention(count: nil, age: nil, totalBytes: nil)

    /// The last so many rotated files are kept, beside the one that is being written.
    public static func count(_ count: Int) -> Retention { .limits(count: count) }

    /// Files are kept for so long after the last record was written to them.
    public static func age(_ age: Duration) -> Retention { .limits(age: age) }

    /// The last rotated files are kept that together have no more bytes than these, as they lie there: compressed, if
    /// they are.
    public static func totalBytes(_ bytes: Int) -> Retention { .limits(totalBytes: bytes) }

    /// Several limits at once.
    public static func limits(count: Int? = nil, age: Duration? = nil, totalBytes: Int? = nil) -> Retention {
        precondition(
            (count ?? 0) >= 0 && (age ?? .zero) >= .zero && (totalBytes ?? 0) >= 0,
            "fewer than no files, or none at all")
        return Retention(count: count, age: age, totalBytes: totalBytes.map(Int64.init))
    }

    /// Nothing has to be known of the files but their names.
    var isCountAlone: Bool { age == nil && totalBytes == nil }

    /// A rotated file as it lies there.
    struct File: Sendable, Equatable {
        let name: RotatedName
        let size: Int64
        /// Since 1970, in nanoseconds.
        let modified: Int64
    }

    /// Those that go; `now` is in nanoseconds since 1970.
    func surplus(_ files: [File], now: Int64) -> [File] {
        let oldest =
            age.map { now.subtractingReportingOverflow($0.wholeNanoseconds) }.map {
                $0.overflow ? .min : $0.partialValue
            } ?? .min
        var kept = 0
        var bytes: Int64 = 0
        var isFull = false
        var surplus: [File] = []
        for file in files.sorted(by: { $0.name > $1.name }) {
            // A sparse file may say that it has 8 EiB.
            let (sum, isTooMuch) = bytes.addingReportingOverflow(file.size)
            bytes = isTooMuch ? .max : sum
            // What is older than one that has no room has none either: what is kept has no gaps.
            isFull = isFull || kept >= count ?? .max || totalBytes.map { isTooMuch || bytes > $0 } ?? false
            if isFull || file.modified < oldest { surplus.append(file) } else { kept += 1 }
        }
        return surplus
    }
}
