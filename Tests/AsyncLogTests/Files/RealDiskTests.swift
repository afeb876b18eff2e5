// Files and what happens to them on real machines: logrotate, a disk that is full and emptied again, one that becomes
// read-only.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Files and the real things")
struct RealDiskTests {
    /// Runs a program of the system to its end, while the loop goes on.
    private static func run(_ arguments: [String]) async throws -> TerminationStatus {
        try await EventLoop.waitForExit(of: ChildProcess("/usr/bin/env", arguments, error: .descriptor(2)).pid)
    }

    // MARK: logrotate

    static let noLogrotate: String? = {
        let places: [String] = ["/usr/sbin/logrotate", "/usr/bin/logrotate"]
        return places.contains { access($0, X_OK) == 0 } ? nil : "logrotate is not installed"
    }()

    private func logrotate(_ folder: LogFolder, _ directives: String) async throws {
        folder.write("conf", "\(folder.file("app.log")) {\n rotate 100\n nocompress\n nodateext\n \(directives)\n}\n")
        let path = "/usr/sbin:/usr/bin:/sbin:/bin"
        let status = try await Self.run([
            "env", "PATH=\(path)", "logrotate", "-f", "-s", folder.file("state"), folder.file("conf"),
        ])
        #expect(status == .exited(0))
    }

    /// All lines, oldest first.
    private func lines(_ folder: LogFolder) -> [String] {
        let rotated = folder.names.compactMap { Int($0.dropFirst("app.log.".count)) }.sorted(by: >)
        return (rotated.map { "app.log.\($0)" } + ["app.log"]).flatMap { folder.lines($0) }
    }

    @Test(
        "logrotate with create, and with nocreate, while records are logged: all are there once, in order, and nothing is where it should not be",
        .disabled(if: noLogrotate != nil, "\(noLogrotate ?? "")"),
        arguments: ["create 0644", "nocreate", "create 0600\n delaycompress"])
    func create(directives: String) throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
            let logger = Logger("app", handlers: [handler])
            let isOver = Locked(false)
            let count = Locked(0)
            var isPunctual = true
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !isOver.value {
                        for _ in 0..<20 {
                            await logger.info("\(count.value)")
                            count.value += 1
                        }
                        try await EventLoop.sleep(for: .milliseconds(1))
                    }
                }
                for round in 1...5 {
                    let before = folder.status("app.log").st_ino
                    let start = ContinuousClock.now
                    try await logrotate(folder, directives)
                    if ContinuousClock.now - start > .milliseconds(200) { isPunctual = false }
                    #expect(folder.names.contains("app.log.\(round)"))
                    try await eventually("the new file is written to") {
                        try await EventLoop.sleep(for: .milliseconds(1))
                        return folder.status("app.log").st_ino != before && folder.status("app.log").st_size > 0
                    }
                }
                isOver.value = true
                try await group.waitForAll()
            }
            try await logger.flush()
            #expect(await handler.state == .ready)
            // A logrotate that takes longer than the retry budget finds a file of ours in its way, and puts it aside.
            let aside = folder.names.filter { $0.hasSuffix(".backup") }
            #expect(aside.isEmpty || !isPunctual, "we were in logrotate's way: \(folder.names)")
            if aside.isEmpty { #expect(lines(folder).map { Int($0) } == Array(0..<count.value)) }
            #expect(
                (lines(folder) + aside.flatMap { folder.lines($0) }).compactMap { Int($0) }.sorted()
                    == Array(0..<count.value))
            if directives == "create 0644" { #expect(folder.permissions("app.log") == 0o644) }
        }
    }

    @Test(
        "logrotate with copytruncate: the file goes on at its beginning",
        .disabled(if: noLogrotate != nil, "\(noLogrotate ?? "")"))
    func copyTruncate() throws {
        let folder = try LogFolder()
        try onLoop {
            let logger = Logger("app", handlers: [try await FileHandler(folder.path("app.log"), formatter: plain)])
            for round in 0..<5 {
                for index in 0..<100 { await logger.info("\(round * 100 + index)") }
                // What is written between the copy and the truncation is lost: logrotate(8).
                try await logger.flush()
                try await logrotate(folder, "copytruncate")
            }
            await logger.info("500")
            try await logger.flush()
            #expect(lines(folder).map { Int($0) } == Array(0...500))
            #expect(folder.text("app.log") == "500\n")
        }
    }

    @Test(
        "logrotate that sends SIGHUP finds the file opened again when it looks",
        .disabled(if: noLogrotate != nil, "\(noLogrotate ?? "")"))
    func hangUp() throws {
        let folder = try LogFolder()
        try onLoop {
            let logger = Logger(
                "app",
                handlers: [try await FileHandler(folder.path("app.log"), formatter: plain, reopensOnHangUp: true)])
            for round in 1...3 {
                await logger.info("\(round)")
                try await logger.flush()
                try await logrotate(folder, "nocreate\n postrotate\n kill -HUP \(getpid())\n endscript")
                try await eventually("there is a new file") { access(folder.file("app.log"), F_OK) == 0 }
                #expect(folder.lines("app.log.1") == ["\(round)"])
            }
        }
    }

    // MARK: Disks

    /// A small disk of the test's own.
    private final class Disk {
        let folder: LogFolder
        private let mountPoint: TemporaryFolder

        init() throws {
            mountPoint = try TemporaryFolder()
            let end = try ChildProcess(
                "/usr/bin/env", ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", mountPoint.path]
            ).wait()
            guard end == .exited(0) else { throw SystemError(operation: "mount", errno: EPERM) }
            folder = try LogFolder(mountPoint.path)
        }

        func remount(_ option: String) async throws {
            _ = try await RealDiskTests.run(["mount", "-o", "remount,\(option)", mountPoint.path])
        }

        deinit { _ = try? ChildProcess("/usr/bin/env", ["umount", "-l", mountPoint.path]).wait() }
    }

    static let noDisk: String? = {
        do {
            _ = try Disk()
            return nil
        } catch {
            return "no file system may be mounted here"
        }
    }()

    private func fill(_ folder: LogFolder, _ name: String) {
        let descriptor = open(folder.file(name), O_WRONLY | O_CREAT, 0o600)
        let block = [UInt8](repeating: 0, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        close(descriptor)
    }

    @Test(
        "a disk that is full: tasks wait, the state says why; when it is emptied all is written, once, without a torn line",
        .disabled(if: noDisk != nil, "\(noDisk ?? "")"), arguments: [false, true])
    func fullDisk(isRotated: Bool) throws {
        let disk = try Disk()
        let folder = disk.folder
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, rotation: isRotated ? Rotation(.size(5000)) : nil,
                capacity: 100_000)
            let logger = Logger("app", handlers: [handler])
            await logger.info("first")
            try await logger.flush()
            fill(folder, "filler")
            for index in 0..<300 { await logger.info("\(index) 0123456789012345678901234567890123456789") }
            let error = await #expect(throws: IOError.self) { try await logger.flush() }
            #expect(error?.code == .noSpace)
            guard case .failed(let reason) = await handler.state else {
                Issue.record("\(await handler.state)")
                return
            }
            #expect(reason.errno == error?.errno)
            unlink(folder.file("filler"))
            try await eventually("it recovers by itself") {
                try await EventLoop.sleep(for: .milliseconds(20))
                return await handler.state == .ready
            }
            try await logger.flush()
            let names = folder.names.filter { $0 != "app.log" } + ["app.log"]
            #expect(names.count == 1 || isRotated)
            #expect(
                names.flatMap { folder.lines($0) }.dropFirst().map { Int($0.prefix { $0 != " " }) } == Array(0..<300))
            let ledger = await logger.ledger
            #expect(ledger.written == 301 && ledger.droppedTotal == 0 && ledger.balances)
        }
    }

    @Test("a disk that becomes read-only, and writable again", .disabled(if: noDisk != nil, "\(noDisk ?? "")"))
    func readOnly() throws {
        let disk = try Disk()
        let folder = disk.folder
        try onLoop {
            // Without a file that is open for writing it may be made read-only.
            try await disk.remount("ro")
            let error = await #expect(throws: IOError.self) {
                try await FileHandler(folder.path("app.log"), formatter: plain)
            }
            #expect(error?.errno?.rawValue == EROFS)
            func make() throws -> FileHandler<TextFormatter> {
                try FileHandler(folder.path("app.log"), formatter: plain)
            }
            let handler = try make()
            let logger = Logger("app", handlers: [handler])
            await logger.info("m")
            await #expect(throws: IOError.self) { try await logger.flush() }
            try await disk.remount("rw")
            try await eventually("the file is opened") {
                try await EventLoop.sleep(for: .milliseconds(20))
                return folder.lines("app.log") == ["m"]
            }
            try await logger.flush()
            #expect(await handler.state == .ready)
        }
    }
}
