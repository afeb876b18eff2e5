// Files by their names: how they are opened, what others may do to them, and what becomes of the records meanwhile.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("File handler")
struct FileHandlerTests {
    @Test("a file is created with its permissions, and appended to the next time")
    func appends() throws {
        let folder = try LogFolder()
        for run in 0..<3 {
            try onLoop {
                let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
                let logger = Logger("app", handlers: [handler])
                for index in 0..<100 { await logger.info("run \(run) line \(index)") }
                try await logger.flush()
                #expect(await handler.state == .ready)
            }
        }
        #expect(folder.permissions("app.log") & ~0o640 == 0 && folder.permissions("app.log") & 0o600 == 0o600)
        #expect(folder.lines("app.log") == (0..<3).flatMap { run in (0..<100).map { "run \(run) line \($0)" } })
    }

    @Test("permissions, folders and the working folder are as one says")
    func creation() throws {
        let folder = try LogFolder()
        let mask = umask(0o022)
        defer { umask(mask) }
        try onLoop {
            let handler = try await FileHandler(
                folder.path("a/b/app.log"), formatter: plain,
                permissions: [.ownerReadWrite, .groupReadWrite, .otherRead], createsFolders: true)
            await Logger("app", handlers: [handler]).info("m")
        }
        #expect(folder.permissions("a/b/app.log") == 0o644)
        #expect(folder.lines("a/b/app.log") == ["m"])
    }

    @Test("a synchronous initializer returns at once, and the records are there")
    func lazily() throws {
        let folder = try LogFolder()
        try onLoop {
            func make() throws -> FileHandler<TextFormatter> {
                try FileHandler(folder.path("app.log"), formatter: plain)
            }
            let logger = Logger("app", handlers: [try make()])
            for index in 0..<10 { logger.nowait.info("\(index)") }
        }
        #expect(folder.lines("app.log") == (0..<10).map { "\($0)" })
    }

    @Test("without any event loop a line is in the file when the call returns")
    func noLoop() throws {
        let folder = try LogFolder()
        let logger = Logger("app", handlers: [try FileHandler(folder.path("app.log"), formatter: plain)])
        try ThreadBox { _ in logger.info("plain thread") }.run(1)
        for _ in 0..<2000 where folder.text("app.log").isEmpty { usleep(1000) }
        #expect(folder.text("app.log") == "plain thread\n")
    }

    @Test("a file that cannot be opened is a typed error that names it, and leaves nothing behind")
    func cannotOpen() throws {
        let folder = try LogFolder()
        try onLoop {
            let error = await #expect(throws: IOError.self) {
                try await FileHandler(folder.path("none/app.log"), formatter: plain)
            }
            #expect(error?.code == .notFound)
            #expect(error?.description == "open \"\(folder.file("none/app.log"))\": no such file or directory (ENOENT)")
            let other = await #expect(throws: IOError.self) {
                try await FileHandler(folder.path("."), formatter: plain)
            }
            #expect(other?.code == .isDirectory)
        }
    }

    @Test(
        "a file that cannot be opened yet is opened when it can be; the records of before are in it, and the state says how things are"
    )
    func openedLater() throws {
        let folder = try LogFolder()
        try onLoop {
            func make() throws -> FileHandler<TextFormatter> {
                try FileHandler(folder.path("later/app.log"), formatter: plain)
            }
            let handler = try make()
            let logger = Logger("app", handlers: [handler])
            await logger.info("early")
            let error = await #expect(throws: IOError.self) { try await logger.flush() }
            #expect(error?.code == .notFound)
            #expect(await handler.state == .failed(error!))
            mkdir(folder.file("later"), 0o755)
            try await eventually("the file is opened") { folder.lines("later/app.log") == ["early"] }
            try await logger.flush()
            #expect(await handler.state == .ready)
            await logger.info("late")
            try await logger.flush()
            #expect(folder.lines("later/app.log") == ["early", "late"])
            let ledger = await logger.ledger
            #expect(ledger.written == 2 && ledger.droppedTotal == 0)
        }
    }

    @Test("a torn last line is ended, so that the next record has a line of its own")
    func tornLine() throws {
        let folder = try LogFolder()
        folder.write("app.log", "whole\nto")
        try onLoop {
            await Logger("app", handlers: [try await FileHandler(folder.path("app.log"), formatter: plain)]).info(
                "next")
        }
        #expect(folder.lines("app.log") == ["whole", "to", "next"])
        folder.write("packed", "\u{1}")
        try onLoop {
            await Logger(
                "app", handlers: [try await FileHandler(folder.path("packed"), formatter: MessagePackFormatter())]
            ).info("next")
        }
        #expect(folder.bytes("packed")[1] != 10, "MessagePack has no lines")
    }

    @Test("a symbolic link is followed, or refused, as one says")
    func links() throws {
        let folder = try LogFolder()
        folder.write("target", "")
        symlink("target", folder.file("app.log"))
        try onLoop {
            await Logger("app", handlers: [try await FileHandler(folder.path("app.log"), formatter: plain)]).info("m")
            let error = await #expect(throws: IOError.self) {
                try await FileHandler(folder.path("app.log"), formatter: plain, followsLink: false)
            }
            #expect(error?.errno?.rawValue == ELOOP, "\(error!)")
        }
        #expect(folder.lines("target") == ["m"])
    }

    @Test(
        "a file that another program renames, removes or replaces is left, and no record is lost",
        arguments: ["rename", "remove", "replace", "reopen", "hup"])
    func leftByOthers(how: String) throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain, reopensOnHangUp: true)
            let logger = Logger("app", handlers: [handler])
            await logger.info("old")
            try await logger.flush()
            switch how {
            case "rename": rename(folder.file("app.log"), folder.file("old"))
            case "remove":
                link(folder.file("app.log"), folder.file("old"))
                unlink(folder.file("app.log"))
            case "replace":
                link(folder.file("app.log"), folder.file("old"))
                folder.write("other", "")
                rename(folder.file("other"), folder.file("app.log"))
            case "reopen":
                rename(folder.file("app.log"), folder.file("old"))
                try await handler.reopen()
            default:
                rename(folder.file("app.log"), folder.file("old"))
                kill(getpid(), SIGHUP)
            }
            try await eventually("the path leads to a file of the handler's") {
                await logger.info("new")
                try await logger.flush()
                return folder.lines("app.log").contains("new")
            }
            let ledger = await logger.ledger
            #expect(folder.lines("old").first == "old" && folder.permissions("app.log") & 0o600 == 0o600)
            #expect(
                folder.lines("old").count + folder.lines("app.log").count == Int(ledger.written), "lines are missing")
            #expect(ledger.balances && ledger.droppedTotal == 0)
            #expect(await handler.state == .ready)
        }
    }

    @Test("a file that is truncated is written to on, at its end, without a hole")
    func truncated() throws {
        let folder = try LogFolder()
        try onLoop {
            let logger = Logger("app", handlers: [try await FileHandler(folder.path("app.log"), formatter: plain)])
            await logger.info("before")
            try await logger.flush()
            truncate(folder.file("app.log"), 0)
            await logger.info("after")
            try await logger.flush()
            #expect(folder.lines("app.log") == ["after"])
        }
    }

    @Test("flush(.durable) works in a new file, and in one that has been left")
    func durable() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain, rotation: Rotation())
            let logger = Logger("app", handlers: [handler])
            for round in 0..<4 {
                await logger.info("\(round)")
                if round > 0 { try await logger.flush(.durable) }
                try await handler.rotate()
            }
            await logger.info("last")
            try await logger.flush(.durable)
            #expect(handler.diskFlushes >= 4)
            #expect(folder.names.count == 5 && folder.lines("app.log") == ["last"])
        }
    }

    @Test("a FIFO without a reader gets its lines when it has one")
    func fifo() throws {
        let folder = try LogFolder()
        mkfifo(folder.file("pipe"), 0o600)
        try onLoop {
            func make() throws -> FileHandler<TextFormatter> { try FileHandler(folder.path("pipe"), formatter: plain) }
            let logger = Logger("app", handlers: [try make()])
            await logger.info("m")
            await #expect(throws: IOError.self) { try await logger.flush() }
            let reader = open(folder.file("pipe"), O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            var buffer = [UInt8](repeating: 0, count: 100)
            try await eventually("the line comes") { read(reader, &buffer, 100) > 0 }
            #expect(buffer.starts(with: Array("m\n".utf8)))
        }
    }

    @Test("/dev/full: nothing is written, the state says why, and the records are kept")
    func full() throws {
        try onLoop {
            let handler = try await FileHandler("/dev/full", formatter: plain, rotation: Rotation(.size(10)))
            let logger = Logger("app", handlers: [handler])
            for _ in 0..<10 { await logger.info("a line that is longer than the limit") }
            let error = await #expect(throws: IOError.self) { try await logger.flush() }
            #expect(error?.code == .noSpace)
            #expect(await handler.state == .failed(error!))
            #expect(await handler.statistics.ledger.pending == 10)
            let ledger = await logger.shutdown(within: .milliseconds(100))
            #expect(ledger.dropped[.failure] == 10 && ledger.balances)
        }
    }

    @Test("close writes what pends, closes the file, and leaves no descriptor behind")
    func closes() throws {
        let folder = try LogFolder()
        try onLoop {
            for _ in 0..<20 {
                let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
                await Logger("app", handlers: [handler]).info("m")
                await handler.close()
                #expect(await handler.statistics.ledger.written == 1)
            }
            for _ in 0..<20 { _ = try await FileHandler(folder.path("app.log"), formatter: plain) }
            try await eventually("all are closed") { folder.openFiles == 0 }
            #expect(folder.lines("app.log").count == 20)
        }
    }
}
