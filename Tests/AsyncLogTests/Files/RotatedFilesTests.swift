// What becomes of rotated files: which are kept, what they are called, and what leads to the one that is being written.
#if DEBUG
import AsyncFD
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncLog
@testable import EventLoop

@Suite("Rotated files")
struct RotatedFilesTests {
    @Test(
        "retention deletes rotated files of its own, and nothing else, also those of the last run",
        arguments: [true, false])
    func retention(isNumbered: Bool) throws {
        let folder = try LogFolder()
        let foreign = [
            "app.log.bak", "app.log.2026-11-22.txt", "app.log.2026-02-30", "other.log.1", "app.log.1x",
            "app.log-20261122", "app.log.01",
            "xapp.log.1",
            isNumbered ? "app.log.2020-01-01" : "app.log.1",
        ]
        for name in foreign { folder.write(name, "mine") }
        mkdir(folder.file(isNumbered ? "app.log.77" : "app.log.2019-01-01"), 0o755)
        for run in 0..<3 {
            try onLoop {
                let handler = try await FileHandler(
                    folder.path("app.log"), formatter: plain,
                    rotation: Rotation(.size(50), naming: isNumbered ? .numbered : .dated, keep: .count(4)))
                let logger = Logger("app", handlers: [handler])
                for index in 0..<50 { await logger.info("run \(run) line \(index) 0123456789012345") }
                await logger.shutdown(within: .seconds(60))
            }
        }
        for name in foreign { #expect(folder.text(name) == "mine", "\(name) was touched") }
        let own = folder.names.filter {
            !foreign.contains($0) && $0 != "app.log" && folder.status($0).st_mode & S_IFMT == S_IFREG
        }
        #expect(own.count == 4, "\(own)")
        let sorted = isNumbered ? own.sorted(by: >) : own
        #expect(
            (sorted + ["app.log"]).map { folder.lines($0).last?.prefix(13) } == (45..<50).map { "run 2 line \($0)" })
    }

    @Test("by age and by bytes")
    func ageAndBytes() throws {
        let folder = try LogFolder()
        let now = Timestamp.days(2026, 11, 22) * 86_400
        for day in 0..<10 {
            let name = "app.log.2026-11-\(21 - day)"
            folder.write(name, String(repeating: "x", count: 100))
            folder.setModified(name, now - day * 86_400 - 1000)
        }
        func run(_ keep: Retention) throws {
            try EventLoop.run(clock: ManualClock(.byHand, wallTime: .seconds(now))) {
                await
                    (try await FileHandler(
                        folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), keep: keep))).close()
            }
        }
        try run(.age(.seconds(5 * 86_400)))
        #expect(folder.names.count == 6, "\(folder.names)")
        try run(.totalBytes(350))
        #expect(folder.names == ["app.log", "app.log.2026-11-19", "app.log.2026-11-20", "app.log.2026-11-21"])
        try run(.all)
        #expect(folder.names.count == 4)
    }

    @Test("names of one's own are recognised again, and only they")
    func customNames() throws {
        let folder = try LogFolder()
        folder.write("old-x.log", "mine")
        let naming = RotationNaming.custom { _, sequence in
            "old-\(sequence).log"
        } parse: { name in
            guard name.hasPrefix("old-"), name.hasSuffix(".log"), let number = Int(name.dropFirst(4).dropLast(4)) else {
                return nil
            }
            return (WallTime(nanoseconds: 0), number)
        }
        for run in 0..<2 {
            try onLoop {
                let handler = try await FileHandler(
                    folder.path("app.log"), formatter: plain,
                    rotation: Rotation(.size(10), naming: naming, keep: .count(3)))
                let logger = Logger("app", handlers: [handler])
                for index in 0..<6 { await logger.info("line \(run)\(index)") }
                await logger.shutdown(within: .seconds(60))
            }
        }
        #expect(folder.names == ["app.log", "old-10.log", "old-8.log", "old-9.log", "old-x.log"])
        #expect(folder.lines("old-10.log") == ["line 14"])
    }

    @Test("a link leads to the file that is being written; what is no link is left alone")
    func latest() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.size(10), latest: "latest"))
            let logger = Logger("app", handlers: [handler])
            for index in 0..<5 { await logger.info("line \(index)") }
            try await logger.flush()
            #expect(folder.lines("latest") == ["line 4"] && folder.status("latest").st_mode & S_IFMT == S_IFLNK)
            #expect(await handler.state == .ready)
        }
        folder.write("precious", "mine")
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(latest: "precious"))
            guard case .degraded(let error) = await handler.state else {
                Issue.record("a file was taken for a link")
                return
            }
            #expect(error.code == .alreadyExists && error.operation == "symlink")
            await Logger("app", handlers: [handler]).info("goes on")
        }
        #expect(folder.text("precious") == "mine" && folder.lines("app.log").last == "goes on")
    }

    @Test("behind a symbolic link it is the target that is rotated, where it lies")
    func linkedLog() throws {
        let folder = try LogFolder()
        mkdir(folder.file("disk"), 0o755)
        symlink("disk/real.log", folder.file("app.log"))
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.size(10), naming: .numbered))
            let logger = Logger("app", handlers: [handler])
            for index in 0..<3 { await logger.info("line \(index)") }
            try await logger.flush()
        }
        #expect(folder.names == ["app.log", "disk"] && folder.lines("app.log") == ["line 2"])
        #expect(folder.status("app.log").st_mode & S_IFMT == S_IFLNK)
    }
}
#endif
