// logcheck is a judge: what is broken in each way, it must say so, and what is not, it must not.
import Glibc
import TestSupport
import Testing

/// What LogLoad writes, record by record.
struct Sample {
    let format: String
    var records: [[UInt8]]

    init(_ format: String, lines: Int = 60) throws {
        self.format = format
        let output = try run("LogLoad", ["--lines", "\(lines)", "--format", format, "--size", "5"]).output
        records =
            format == "msgpack"
            ? Sample.maps(output)
            : output.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map { Array($0) + [0x0A] }
        #expect(records.count == lines)
    }

    /// Where `time`, the first key of each map, stands, a map of seven entries begins three bytes before.
    private static func maps(_ bytes: [UInt8]) -> [[UInt8]] {
        let begin: [UInt8] = [0xDE, 0, 7, 0xA4] + Array("time".utf8)
        let begins = bytes.indices.filter { bytes[$0] == 0xDE && bytes[$0...].starts(with: begin) } + [bytes.count]
        return zip(begins, begins.dropFirst()).map { Array(bytes[$0..<$1]) }
    }

    var bytes: [UInt8] { Array(records.joined()) }
}

@Suite("logcheck")
struct LogCheckTests {
    static let formats = ["text", "console", "json", "logfmt", "msgpack"]

    private func expect(
        _ outcome: Outcome, _ parts: String..., isInOrder: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            outcome.end == .exited(isInOrder ? 0 : 1), "\(outcome.text)\(outcome.error)", sourceLocation: sourceLocation
        )
        #expect(
            outcome.text.hasSuffix("verdict       in order\n") == isInOrder, "\(outcome.text)",
            sourceLocation: sourceLocation)
        for part in parts {
            let words = part.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
            let lines = outcome.lines.map { $0.split(separator: " ").joined(separator: " ") }
            #expect(
                lines.contains { $0.hasPrefix(words) }, "\(part) in\n\(outcome.text)", sourceLocation: sourceLocation)
        }
    }

    // MARK: Every format

    @Test("a whole log is in order, in the format that is found out or said", arguments: formats)
    func whole(format: String) throws {
        let sample = try Sample(format)
        expect(
            try logcheck(sample.bytes), "records 60, numbers 0 to 59", "torn 0", "duplicated 0", "out of order 0",
            "missing 0", isInOrder: true)
        expect(try logcheck(sample.bytes, ["--format", format, "--lines", "60"]), isInOrder: true)
    }

    @Test("what is missing is said, with its numbers", arguments: formats)
    func missing(format: String) throws {
        var sample = try Sample(format)
        sample.records.removeSubrange(10...12)
        sample.records.remove(at: 30)
        expect(
            try logcheck(sample.bytes), "records 56, numbers 0 to 59", "missing 4: 10-12, 33",
            "verdict NOT in order: 4 missing")
    }

    @Test("what is missing at the end is said, if the number of records is known")
    func missingAtTheEnd() throws {
        var sample = try Sample("text")
        sample.records.removeLast(5)
        expect(try logcheck(sample.bytes, ["--lines", "60"]), "missing 5: 55-59")
        expect(try logcheck(sample.bytes), "records 55, numbers 0 to 54", isInOrder: true)
        expect(
            try logcheck(sample.bytes, ["--lines", "50"]),
            "verdict NOT in order: numbers up to 54, where 50 were logged")
    }

    @Test("what is there twice is said", arguments: formats)
    func duplicated(format: String) throws {
        var sample = try Sample(format)
        sample.records.insert(sample.records[20], at: 40)
        expect(
            try logcheck(sample.bytes), "records 61, numbers 0 to 59", "duplicated 1: 20", "out of order 0", "missing 0"
        )
    }

    @Test("what is out of order is said", arguments: formats)
    func outOfOrder(format: String) throws {
        var sample = try Sample(format)
        sample.records.swapAt(20, 21)
        expect(try logcheck(sample.bytes), "out of order 1: 20", "missing 0")
        expect(try logcheck(sample.bytes, ["--order", "task"]), "out of order 1: 20")
    }

    @Test("records of several tasks may overtake each other, if it is the tasks' order that counts; not those of one")
    func orderOfTasks() throws {
        var sample = try Sample("text")
        sample.records[20] = Array(
            String(decoding: sample.records[20], as: UTF8.self).replacing("task=0", with: "task=1").utf8)
        sample.records.swapAt(20, 25)
        expect(try logcheck(sample.bytes), "out of order 5: 21-24, 20")
        expect(try logcheck(sample.bytes, ["--order", "task"]), "out of order 4: 21-24")
    }

    @Test("a record that is torn in the middle is said, whatever of it is left", arguments: formats)
    func torn(format: String) throws {
        for kept in [1, 12, 40, -1, -2] {
            var sample = try Sample(format)
            let record = sample.records[30]
            // The line feed stays: who repairs a file adds it.
            let isLine = format != "msgpack"
            let body = isLine ? record.dropLast() : record[...]
            sample.records[30] = Array(kept > 0 ? body.prefix(kept) : body.dropLast(-kept)) + (isLine ? [0x0A] : [])
            // Padding that is cut short cannot be told from padding that is short.
            if isLine, kept < 0, format != "json" { continue }
            let outcome = try logcheck(sample.bytes)
            expect(outcome, "torn 1", "missing 1: 30")
        }
    }

    @Test("a record that is torn and runs into the next is said", arguments: formats)
    func runTogether(format: String) throws {
        var sample = try Sample(format)
        sample.records[30].removeLast(20)
        let outcome = try logcheck(sample.bytes)
        expect(outcome, "torn 1", format == "msgpack" ? "missing 1: 30" : "missing 2: 30-31")
    }

    @Test("the last record of all may be torn, if that is allowed", arguments: formats)
    func tornLast(format: String) throws {
        var sample = try Sample(format)
        sample.records[59].removeLast(15)
        expect(try logcheck(sample.bytes), "torn 1, the last record of all among them", "verdict NOT in order: 1 torn")
        expect(try logcheck(sample.bytes, ["--allow", "torn-last"]), "records 59, numbers 0 to 58", isInOrder: true)
        sample.records[10].removeLast(15)
        expect(try logcheck(sample.bytes, ["--allow", "torn-last"]), "torn 2, the last record of all among them")
    }

    @Test("a record that says something else than its number is no record", arguments: formats)
    func mixedUp(format: String) throws {
        var sample = try Sample(format)
        let words = Array("queried database 20".utf8)
        let at = try #require(sample.records[20].indices.first { sample.records[20][$0...].starts(with: words) })
        sample.records[20][at + words.count - 1] = UInt8(ascii: "1")
        expect(try logcheck(sample.bytes), "torn 1", "missing 1: 20")
    }

    // MARK: Drops and ledgers

    private func drops(_ count: Int, _ first: Int, _ last: Int) -> [UInt8] {
        Array(
            """
            2026-11-22T08:27:00.123456Z WARNING asynclog: \(count) records dropped here: \(first) to \(last) dropped=\(count) dropped_info=\(count) \
            first_sequence=\(first) last_sequence=\(last) since=2026-11-22T08:27:00.123456789Z until=2026-11-22T08:27:00.123456789Z

            """.utf8)
    }

    @Test("what the log reports as dropped may be missing, and nothing else")
    func dropReports() throws {
        var sample = try Sample("text")
        sample.records.replaceSubrange(10...12, with: [drops(3, 11, 13)])
        expect(try logcheck(sample.bytes), "missing 3: 10-12", "drop reports 1, of 3 records: equal", isInOrder: true)
        var fewer = sample
        fewer.records.remove(at: 40)
        expect(
            try logcheck(fewer.bytes), "drop reports 1, of 3 records: not what is missing",
            "verdict NOT in order: 4 missing, where the log says 3")
        var elsewhere = sample
        elsewhere.records[10] = drops(3, 31, 33)
        expect(try logcheck(elsewhere.bytes), "verdict NOT in order: no drop report is about 10")
        var none = sample
        none.records.remove(at: 10)
        expect(try logcheck(none.bytes), "verdict NOT in order: 3 missing, where the log says 0")
        expect(try logcheck(none.bytes, ["--allow", "unreported"]), "missing 3: 10-12", isInOrder: true)
    }

    @Test("what the ledger says is compared with what is there")
    func ledger() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("report")
        func report(_ accepted: Int, _ written: Int, _ dropped: Int, _ pending: Int = 0) throws -> [String] {
            try write(
                Array(
                    "noise\n{\"accepted\": \(accepted), \"written\": \(written), \"dropped\": {\"overflow\": \(dropped)}, \"pending\": \(pending)}\n"
                        .utf8),
                to: path)
            return ["--report", path]
        }
        var sample = try Sample("text")
        expect(
            try logcheck(sample.bytes, report(60, 60, 0)),
            "ledger accepted 60, written 60, dropped 0, pending 0: equal", isInOrder: true)
        expect(
            try logcheck(sample.bytes, report(62, 62, 0)), "missing 2: 60-61",
            "ledger accepted 62, written 62, dropped 0, pending 0: not what")
        expect(try logcheck(sample.bytes, report(60, 50, 5)), "verdict NOT in order: the ledger does not balance")
        sample.records.replaceSubrange(10...12, with: [drops(3, 11, 13)])
        expect(try logcheck(sample.bytes, report(60, 57, 3)), isInOrder: true)
        expect(
            try logcheck(sample.bytes, report(60, 58, 2)),
            "verdict NOT in order: 57 records, where the ledger has 58 as written")
    }

    @Test("of a program that was killed, what its report says was flushed is there, and the last record may be torn")
    func killed() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("report")
        try write(Array("{\"accepted\": 55, \"written\": 50, \"dropped\": {}, \"pending\": 5}".utf8), to: path)
        var sample = try Sample("text")
        sample.records[52].removeLast(30)
        sample.records.removeLast(7)
        expect(
            try logcheck(sample.bytes, ["--killed", "--report", path]), "flushed 50 records: all there", isInOrder: true
        )
        sample.records.removeLast(5)
        expect(try logcheck(sample.bytes, ["--killed", "--report", path]), "flushed 50 records: 2 missing")
    }

    // MARK: Files

    @Test("several files are one log, in whatever order they are named, compressed or not")
    func files() throws {
        let folder = try TemporaryFolder()
        let sample = try Sample("json")
        for (name, range) in [("app.log", 40..<60), ("app.log.1", 20..<40), ("app.log.2", 0..<20)] {
            try write(Array(sample.records[range].joined()), to: folder.file(name))
        }
        try write([], to: folder.file("empty"))
        let names = ["app.log", "app.log.1", "app.log.2", "empty"].map(folder.file)
        expect(try run("logcheck", names + ["--lines", "60"]), "records 60, numbers 0 to 59", isInOrder: true)
        #expect(try ChildProcess("/usr/bin/env", ["gzip", folder.file("app.log.2")]).wait() == .exited(0))
        var compressed = [names[1], folder.file("app.log.2.gz"), names[0]]
        expect(try run("logcheck", compressed), "records 60, numbers 0 to 59", isInOrder: true)
        if try ChildProcess("/usr/bin/env", ["zstd", "-q", "--rm", names[1]]).wait() == .exited(0) {
            compressed[0] += ".zst"
            expect(try run("logcheck", compressed), "records 60, numbers 0 to 59", isInOrder: true)
        }
        expect(try run("logcheck", [names[0], names[0]]), "duplicated 20: 40-59")
        // A half compressed file is none.
        try write(Array(readAll(path: compressed[1]).dropLast(20)), to: compressed[1])
        #expect(try run("logcheck", compressed).end == .exited(2))
    }

    @Test("the middle is not the end: a record that is torn at the end of a rotated file is torn")
    func tornAtTheEndOfAFile() throws {
        let folder = try TemporaryFolder()
        let sample = try Sample("text")
        try write(Array(sample.records[0..<30].joined().dropLast(10)), to: folder.file("app.log.1"))
        try write(Array(sample.records[30..<60].joined()), to: folder.file("app.log"))
        let outcome = try run("logcheck", [folder.file("app.log"), folder.file("app.log.1"), "--allow", "torn-last"])
        expect(outcome, "torn 1", "missing 1: 29")
    }

    @Test("what cannot be read is said, with the reason")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        try write(Array("what is this\n".utf8), to: folder.file("other"))
        for (arguments, status, text) in [
            ([folder.file("none")], CInt(2), "none: No such file or directory"),
            ([folder.file("other")], 2, "say --format"),
            (["--report", folder.file("none"), "/dev/null"], 2, "cannot be read"), (["--format", "xml"], 64, "xml"),
            (["--lines", "x"], 64, "x"),
        ] {
            let outcome = try run("logcheck", arguments)
            #expect(outcome.end == .exited(status) && outcome.error.contains(text), "\(arguments): \(outcome)")
        }
    }
}
