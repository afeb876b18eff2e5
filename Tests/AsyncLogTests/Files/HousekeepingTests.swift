// Rotated files after their rotation: compressed beside the loop, whole or not at all; what a crash has left is
// finished by the next start.
#if DEBUG
import AsyncFD
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Housekeeping")
struct HousekeepingTests {
    static let compressions: [Compression] = [.gzip, .zstd(level: 1)]

    private static func missing(_ compression: Compression) -> String? {
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":")
        return folders.contains { access("\($0)/\(compression.program)", X_OK) == 0 }
            ? nil : "no \(compression.program) on PATH"
    }
    static let missing = compressions.compactMap { missing($0) }.first

    @Test(
        "rotated files are compressed, oldest first, with the times and permissions of the originals; nothing is lost",
        .disabled(if: missing != nil, "\(missing ?? "")"), arguments: compressions, [true, false])
    func compressed(compression: Compression, isNumbered: Bool) throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain,
                rotation: Rotation(.size(20_000), naming: isNumbered ? .numbered : .dated, compress: compression),
                permissions: [.ownerReadWrite])
            let logger = Logger("app", handlers: [handler])
            for index in 0..<3000 {
                await logger.info("\(index) 0123456789012345678901234567890123456789")
                if index % 100 == 0 { await Task.yield() }
            }
            await logger.shutdown(within: .seconds(60))
            #expect(await handler.state == .ready)
        }
        let packed = folder.names.filter { $0 != "app.log" }
        #expect(
            packed.count >= 6
                && packed.allSatisfy { $0.hasSuffix(compression.suffix) && folder.permissions($0) == 0o600 },
            "\(packed)")
        let ordered =
            isNumbered
            ? packed.sorted { Int($0.split(separator: ".")[2])! > Int($1.split(separator: ".")[2])! } : packed
        let text = try ordered.map { try folder.unpacked($0) }.joined() + folder.text("app.log")
        #expect(text.split(separator: "\n").map { Int($0.prefix { $0 != " " }) } == Array(0..<3000))
        let times = ordered.map { folder.status($0).st_mtim }.map { Double($0.tv_sec) + Double($0.tv_nsec) / 1e9 }
        #expect(times == times.sorted(), "a compressed file has another time than its records")
    }

    @Test(
        "what a crash leaves between the rotation and the end of the compression is finished at the next start",
        .disabled(if: missing != nil, "\(missing ?? "")"))
    func leftBehind() throws {
        let folder = try LogFolder()
        // Not compressed; half compressed; compressed but the original is still there; and what is none of our
        // business.
        folder.write("app.log.2026-11-01", "first\n")
        folder.write("app.log.2026-11-02", "second\n")
        folder.write("app.log.2026-11-02.gz.partial", "\u{1f}")
        folder.write("app.log.2026-11-03", "third\n")
        let child = try ChildProcess("/usr/bin/env", ["gzip", "-k", folder.file("app.log.2026-11-03")])
        #expect(try child.wait() == .exited(0))
        folder.write("mine.gz.partial", "mine")
        folder.write("app.log.x.gz.partial", "mine")
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), compress: .gzip))
            await handler.close()
        }
        let days = (1...3).map { "app.log.2026-11-0\($0).gz" }
        #expect(folder.names == ["app.log"] + days + ["app.log.x.gz.partial", "mine.gz.partial"])
        #expect(try days.map { try folder.unpacked($0) } == ["first\n", "second\n", "third\n"])
    }

    @Test("a program that is not there is a typed error when the handler is made")
    func noSuchProgram() throws {
        let folder = try LogFolder()
        try onLoop {
            let compression = Compression(program: "no-such-program", arguments: [], suffix: ".gz")
            let error = await #expect(throws: IOError.self) {
                try await FileHandler(
                    folder.path("app.log"), formatter: plain, rotation: Rotation(.daily(), compress: compression))
            }
            #expect(
                error?.description == "find the program no-such-program on PATH: no such file or directory (ENOENT)")
            #expect(folder.names.isEmpty)
        }
    }

    @Test("a program that fails leaves the original, and nothing half done; the state says so")
    func failingProgram() throws {
        let folder = try LogFolder()
        try onLoop {
            let compression = Compression(program: "false", arguments: [], suffix: ".gz")
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: Rotation(naming: .numbered, compress: compression))
            let logger = Logger("app", handlers: [handler])
            await logger.info("m")
            try await handler.rotate()
            await logger.shutdown(within: .seconds(60))
            guard case .degraded(let error) = await handler.state else {
                Issue.record("\(await handler.state)")
                return
            }
            #expect(
                error.description == "false \"\(folder.file("app.log.1"))\" (exited with 1): the program has failed")
            #expect(folder.names == ["app.log", "app.log.1"] && folder.lines("app.log.1") == ["m"])
        }
    }

    @Test(
        "numbered files that move on while they are compressed end up under the right names",
        .disabled(if: missing != nil, "\(missing ?? "")"))
    func movingOn() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain,
                rotation: Rotation(naming: .numbered, keep: .count(20), compress: .gzip))
            let logger = Logger("app", handlers: [handler])
            for index in 0..<30 {
                await logger.info("\(index)")
                try await handler.rotate()
            }
            await logger.shutdown(within: .seconds(60))
        }
        #expect(folder.names.count == 21)
        for number in 1...20 { #expect(try folder.unpacked("app.log.\(number).gz") == "\(30 - number)\n") }
    }
}
#endif
