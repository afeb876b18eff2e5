// Rotation at the ends of what there is, and which files are the handler's own.
#if DEBUG
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Rotation's limits")
struct RotationLimitsTests {
    private func file(_ name: String, _ size: Int64, _ names: RotatedNames) throws -> Retention.File {
        Retention.File(name: try #require(names.parse(name)), size: size, modified: 0)
    }

    @Test("files that together are larger than any number are too large, and trap nothing")
    func hugeFiles() throws {
        let names = Rotation(.daily()).names("app.log")
        let files = try (1...3).map { try file("app.log.2026-11-0\($0)", .max, names) }
        #expect(Retention.totalBytes(1 << 30).surplus(files, now: 0).count == 3)
        #expect(
            Retention.totalBytes(.max).surplus(files, now: 0).map(\.name.name) == [
                "app.log.2026-11-02", "app.log.2026-11-01",
            ])
        #expect(Retention.all.surplus(files, now: 0).isEmpty)
        #expect(
            Retention.limits(age: .seconds(Int64.max)).surplus(files, now: .min).isEmpty,
            "an age without end deletes nothing")
    }

    @Test("two sparse files of nearly 8 EiB beside the log: retention goes on")
    func sparseFiles() throws {
        var template = Array("/dev/shm/asynclog-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = try LogFolder(path)
        defer {
            for name in folder.names { unlink(folder.file(name)) }
            rmdir(path)
        }
        for day in 1...2 {
            folder.write("app.log.2026-11-0\(day)", "")
            guard truncate(folder.file("app.log.2026-11-0\(day)"), .max) == 0 else { return }
        }
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), keep: .totalBytes(1000)))
            await Logger("app", handlers: [handler]).info("goes on")
            await handler.close()
        }
        #expect(folder.names == ["app.log"] && folder.lines("app.log") == ["goes on"])
    }

    @Test(
        "TZ with an offset beyond a day: times stay times of RFC 3339, within a day of UTC and in whole minutes",
        arguments: [
            ("AAA-167", "+23:59"), ("AAA167", "-23:59"), ("AAA-24:00:30", "+23:59"), ("AAA-1:00:30", "+01:00"),
            ("AAA1:00:30", "-01:00"),
        ])
    func farZone(setting: String, suffix: String) throws {
        let output = try Pipe()
        let child = try ChildProcess(
            "LogProgram", ["local-time"], output: .descriptor(output.writer), environment: ["TZ": setting])
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        let lines = text.split(separator: "\n").map(String.init)
        // 2026-11-22T08:27:00Z, as a time and as a part of a rotated file's name.
        #expect(lines.first?.hasSuffix(suffix) == true, "\(text)")
        #expect(lines.first?.utf8.count == "2026-11-22T08:27:00+00:00".utf8.count, "\(text)")
    }

    @Test("a zone file with an offset of decades reads nothing out of bounds")
    func farZoneFile() throws {
        var file = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
        func big(_ value: UInt32) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
        }
        let counts = [0, 0, 0, 0, 1, 4].flatMap { big(UInt32($0)) }
        let type = big(UInt32(bitPattern: Int32.max)) + [0, 0] + Array("AAA\0".utf8)
        file +=
            counts + type + Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15) + counts + type + Array("\n\n".utf8)
        let folder = try LogFolder()
        let descriptor = open(folder.file("zone"), O_WRONLY | O_CREAT, 0o600)
        _ = write(descriptor, file, file.count)
        close(descriptor)
        let output = try Pipe()
        let child = try ChildProcess(
            "LogProgram", ["local-time"], output: .descriptor(output.writer), environment: ["TZ": folder.file("zone")])
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        #expect(text == "2026-11-23T08:26:00+23:59\n")
    }

    // MARK: Which files are the handler's own

    @Test(
        "retention deletes names of the handler's own precision and zone, and leaves all others alone",
        arguments: [
            ("S", false, "app.log.2026-01-0\u{31}_00-00-0X"), ("M", false, "app.log.2026-01-01_00-0X"),
            ("H", false, "app.log.2026-01-01_0X"),
            ("midnight", false, "app.log.2026-01-0X"), ("H", true, "app.log.2026-01-01_0X+0100"),
            ("W0", true, "app.log.2026-01-0X"),
        ])
    func ownPrecision(when: String, isBerlin: Bool, pattern: String) throws {
        let folder = try LogFolder()
        let all = [
            "app.log.2026-01-01", "app.log.2026-01-02", "app.log.2026-01-01_03", "app.log.2026-01-01_04",
            "app.log.2026-01-01_00-05",
            "app.log.2026-01-01_00-06", "app.log.2026-01-01_00-00-07", "app.log.2026-01-01_00-00-08",
            "app.log.2026-01-01_03+0100",
            "app.log.2026-01-01_04+0100", "app.log.2026-01-01_03+0200", "app.log.2026-01-01_00-00-07+0000",
            "app.log.2026-01-01_03-0000",
        ]
        for name in all { folder.write(name, "some\n") }
        try onLoop {
            let zone: LogTimeZone = isBerlin ? try .named("Europe/Berlin") : .utc
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(try .when(when), in: zone, keep: .count(1))
            )
            await Logger("app", handlers: [handler]).info("line")
            await handler.close()
        }
        let prefix = String(pattern.prefix { $0 != "X" })
        let suffix = String(pattern.drop { $0 != "X" }.dropFirst())
        let own = all.filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) && $0.utf8.count == pattern.utf8.count }
        #expect(own.count == 2)
        let kept = Set(all).subtracting([own.min()!])
        #expect(folder.names == (Array(kept) + ["app.log"]).sorted())
    }

    @Test("files that end by their size always have a number: one without belongs to another program")
    func alwaysNumbered() {
        let names = Rotation(.size(10), .daily()).names("app.log")
        #expect(names.parse("app.log.2026-01-01.001") != nil)
        #expect(names.parse("app.log.2026-01-01") == nil)
        #expect(Rotation(.daily()).names("app.log").parse("app.log.2026-01-01.001") != nil, "two files of one day")
    }
}
#endif
