// When a log file ends, and what becomes of it.
import AsyncFD

/// When a log file ends, what it is called then, how many are kept, and whether they are compressed.
///
///     let rotation = Rotation(.size(10 << 20), .daily(), keep: .count(7), compress: .gzip)
///     let handler = try await FileHandler("/var/log/app.log", formatter: JSONFormatter(), rotation: rotation)
///
/// The file that is being written always has the name that was given. When it ends it gets another one
/// (`RotationNaming`), and a new one begins; records are in the one or the other, whole. An empty file does not end.
/// Everything that can wait for a disk happens off the event loop, while records wait in the handler's buffer.
///
/// A rotation that fails is not made: the handler keeps writing to the old file, is `degraded` with the reason, and
/// tries again with pauses of a second up to a minute. One process at a time rotates a file.
public struct Rotation: Sendable {
    let triggers: [RotationTrigger]
    let zone: LogTimeZone
    let naming: RotationNaming
    let keep: Retention
    let compress: Compression?
    let latest: FilePath?

    /// - Parameters:
    ///   - triggers: what ends a file; without any, only `FileHandler.rotate()` does.
    ///   - zone: the time zone of those hours and days.
    ///   - naming: what files are called when they have ended.
    ///   - keep: which of them are kept.
    ///   - compress: the program by which they are compressed.
    ///   - latest: a symbolic link that leads to the file that is being written, for programs that follow it without
    ///     knowing its name. In the log's folder, if it says no other. Something there that is no link is left alone, and the handler is `degraded`.
    public init(
        _ triggers: RotationTrigger..., in zone: LogTimeZone = .utc, naming: RotationNaming = .dated,
        keep: Retention = .all,
        compress: Compression? = nil, latest: FilePath? = nil
    ) {
        self.init(triggers, in: zone, naming: naming, keep: keep, compress: compress, latest: latest)
    }

    /// The same for triggers in an array.
    public init(
        _ triggers: [RotationTrigger], in zone: LogTimeZone = .utc, naming: RotationNaming = .dated,
        keep: Retention = .all,
        compress: Compression? = nil, latest: FilePath? = nil
    ) {
        self.triggers = triggers
        self.zone = zone
        self.naming = naming
        self.keep = keep
        self.compress = compress
        self.latest = latest
    }

    /// The smallest of the sizes.
    var sizeLimit: Int64? { triggers.compactMap { if case .size(let bytes) = $0.kind { bytes } else { nil } }.min() }
    var atStart: Bool { triggers.contains { $0.kind == .start } }

    var schedule: RotationSchedule? {
        let rules = triggers.compactMap { if case .clock(let rule) = $0.kind { rule } else { nil } }
        return rules.isEmpty ? nil : RotationSchedule(rules: rules, zone: zone)
    }

    func names(_ base: String) -> RotatedNames {
        let precisions = schedule?.rules.map { rule -> RotatedNames.Precision in
            switch rule {
            case .days, .weekdays, .afterBeginning: .day
            case .period(_, .hours), .period(_, .days): .hour
            case .period(_, .minutes): .minute
            case .period(_, .seconds): .second
            }
        }
        return RotatedNames(
            base: base, naming: naming, zone: zone, precision: precisions?.max() ?? .second,
            isAlwaysNumbered: sizeLimit != nil)
    }
}

/// A program of the system that compresses rotated files: beside the event loop, in a process of its own.
///
/// It writes to a file with another name, which gets its final one when it is whole and on the disk; only then the
/// original goes. What a crash leaves behind in between is seen to at the next start.
public struct Compression: Sendable, Equatable {
    let program: String
    let arguments: [String]
    /// `.gz`
    let suffix: String

    /// `gzip`; the files end in `.gz`.
    public static let gzip = Compression(program: "gzip", arguments: ["-c"], suffix: ".gz")

    /// `zstd`; the files end in `.zst`.
    public static let zstd = Compression(program: "zstd", arguments: ["-q", "-c"], suffix: ".zst")

    /// `gzip` with another level than its own 6: 1 is fast, 9 is small.
    public static func gzip(level: Int) -> Compression {
        precondition((1...9).contains(level), "gzip has levels 1 to 9, not \(level)")
        return Compression(program: "gzip", arguments: ["-c", "-\(level)"], suffix: ".gz")
    }

    /// `zstd` with another level than its own 3: 1 is fast, 19 is small.
    public static func zstd(level: Int) -> Compression {
        precondition((1...19).contains(level), "zstd has levels 1 to 19, not \(level)")
        return Compression(program: "zstd", arguments: ["-q", "-c", "-\(level)"], suffix: ".zst")
    }
}
