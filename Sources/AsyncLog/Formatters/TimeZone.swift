// Time zones: how far local time is ahead of UTC at a moment, daylight-saving time included.
//
// The rules come from the system's zone files (TZif, RFC 9636): a list of the moments at which the offset changed, and
// a rule in POSIX notation ("CET-1CEST,M3.5.0,M10.5.0/3") for all time after the last of them, which PosixZone.swift
// parses.
import AsyncFD
import EventLoop

/// The zone in which timestamps are written. UTC by default: it is the only zone in which lines sort by time.
public struct LogTimeZone: Sendable {
    private enum Rules: Sendable {
        case fixed(Int)
        case file(ZoneFile)
    }
    private let rules: Rules

    /// Coordinated universal time.
    public static let utc = LogTimeZone(rules: .fixed(0))

    /// A fixed offset from UTC in seconds.
    ///
    /// - Precondition: the offset is less than a day, in whole minutes.
    public static func fixed(secondsFromUTC offset: Int) -> LogTimeZone {
        precondition(
            abs(offset) < 86_400 && offset % 60 == 0,
            "fixed: the offset from UTC must be less than a day, in whole minutes, not \(offset) seconds"
        )
        return LogTimeZone(rules: .fixed(offset))
    }

    /// The zone with this name in the system's database: `Europe/Berlin`. Reads a small file, and blocks meanwhile:
    /// call it at the start of a program.
    ///
    /// - Throws: `TimeZoneError` if there is no such zone, or its file cannot be read.
    public static func named(_ name: String) throws(TimeZoneError) -> LogTimeZone {
        guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
            throw TimeZoneError(name: name, reason: "not a name")
        }
        return try read("/usr/share/zoneinfo/" + name, name)
    }

    /// The zone of the machine: the environment variable `TZ`, else `/etc/localtime`. Reads a small file, and blocks
    /// meanwhile: call it at the start of a program.
    ///
    /// - Throws: `TimeZoneError` if the variable or the file is not a time zone.
    public static func local() throws(TimeZoneError) -> LogTimeZone {
        guard let setting = environmentVariable("TZ") else { return try read("/etc/localtime", "local time") }
        let name = setting.hasPrefix(":") ? String(setting.dropFirst()) : setting
        if name.isEmpty || name == "UTC" || name == "UTC0" { return utc }
        if name.hasPrefix("/") { return try read(name, name) }
        if let rule = PosixZone(name) { return LogTimeZone(rules: .file(ZoneFile(rule: rule))) }
        return try named(name)
    }

    private static func read(_ path: String, _ name: String) throws(TimeZoneError) -> LogTimeZone {
        let bytes: [UInt8]
        do throws(IOError) { bytes = try SmallFile.read(path) } catch {
            throw TimeZoneError(name: name, reason: error.description)
        }
        guard let file = ZoneFile(bytes) else {
            throw TimeZoneError(name: name, reason: "\(path) is not a time zone file")
        }
        return LogTimeZone(rules: .file(file))
    }

    var isUTC: Bool {
        if case .fixed(0) = rules { return true }
        return false
    }

    /// RFC 3339 has no offsets beyond this: 23 hours and 59 minutes.
    private static let farthest = 86_340

    /// How many seconds local time is ahead of UTC at a moment, given in seconds since 1970-01-01T00:00:00Z. Rounded to
    /// whole minutes and less than a day, whatever the zone's file or `TZ` contains, because only such offsets can be
    /// written.
    func offset(at second: Int64) -> Int {
        switch rules {
        case .fixed(let offset): return offset
        case .file(let file):
            let offset = min(max(file.offset(at: second), -Self.farthest), Self.farthest)
            return offset - offset % 60
        }
    }
}

/// There is no such time zone.
public struct TimeZoneError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was asked for.
    public let name: String
    /// Why there is none.
    public let reason: String
    public var description: String { "time zone \"\(name)\": \(reason)" }
}

/// The contents of a zone file.
struct ZoneFile: Sendable {
    /// Ascending.
    private var transitions: [(at: Int64, offset: Int)] = []
    /// Before the first transition.
    private var firstOffset = 0
    /// After the last one.
    private var rule: PosixZone?

    init(rule: PosixZone) { self.rule = rule }

    /// Nil if the bytes are no zone file of version 2 or later, which all are since 2005.
    init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        guard let first = reader.header(), first.version >= UInt8(ascii: "2") else { return nil }
        // The first block has 32-bit times; the second says the same in 64 bits.
        guard reader.skip(first.size(timeSize: 4)), let header = reader.header() else { return nil }
        guard reader.has(header.size(timeSize: 8)), header.typeCount > 0 else { return nil }
        let times = (0..<header.timeCount).map { _ in Int64(bitPattern: reader.big(8)) }
        let indices = (0..<header.timeCount).map { _ in Int(reader.big(1)) }
        let types = (0..<header.typeCount).map { _ in
            let offset = Int(Int32(bitPattern: UInt32(reader.big(4))))
            _ = reader.big(2)
            return offset
        }
        guard indices.allSatisfy({ $0 < types.count }), zip(times, times.dropFirst()).allSatisfy(<) else { return nil }
        transitions = zip(times, indices).map { ($0, types[$1]) }
        firstOffset = types[0]
        _ = reader.skip(header.size(timeSize: 8) - header.timeCount * 9 - header.typeCount * 6)
        rule = PosixZone(reader.footer())
    }

    func offset(at second: Int64) -> Int {
        if let last = transitions.last, second < last.at {
            var (low, high) = (0, transitions.count)  // the first transition after `second` is in low...high
            while low < high {
                let middle = (low + high) / 2
                if transitions[middle].at <= second { low = middle + 1 } else { high = middle }
            }
            return low == 0 ? firstOffset : transitions[low - 1].offset
        }
        return rule?.offset(at: second) ?? transitions.last?.offset ?? firstOffset
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        struct Header {
            let version: UInt8
            let utcCount, standardCount, leapCount, timeCount, typeCount, characterCount: Int

            func size(timeSize: Int) -> Int {
                timeCount * (timeSize + 1) + typeCount * 6 + characterCount + leapCount * (timeSize + 4) + standardCount
                    + utcCount
            }
        }

        mutating func header() -> Header? {
            guard has(44), bytes[at..<at + 4].elementsEqual("TZif".utf8) else { return nil }
            let version = bytes[at + 4]
            at += 20
            let counts = (0..<6).map { _ in Int(big(4)) }
            return Header(
                version: version, utcCount: counts[0], standardCount: counts[1], leapCount: counts[2],
                timeCount: counts[3], typeCount: counts[4],
                characterCount: counts[5])
        }

        func has(_ count: Int) -> Bool { count >= 0 && bytes.count - at >= count }

        mutating func skip(_ count: Int) -> Bool {
            guard has(count) else { return false }
            at += count
            return true
        }

        mutating func big(_ size: Int) -> UInt64 {
            defer { at += size }
            return bytes[at..<at + size].reduce(0) { $0 << 8 | UInt64($1) }
        }

        /// The text between the last two line feeds.
        func footer() -> String {
            String(decoding: bytes[min(at, bytes.count)...].drop { $0 == 0x0A }.prefix { $0 != 0x0A }, as: UTF8.self)
        }
    }
}
