// Log files and folders that another program removes: no record that went into a removed file counts as written.
#if DEBUG
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import AsyncFD
@testable import AsyncLog

@Suite("Lost files")
struct LostFileTests {
    private func remove(_ folder: String, _ names: String...) {
        for name in names { unlink(folder + "/" + name) }
        rmdir(folder)
    }

    @Test("a file is removed: what is logged before the handler can have noticed is in the next one")
    func removedFile() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
            let logger = Logger("app", handlers: [handler])
            for round in 0..<3 {
                await logger.info("gone \(round)")
                try await logger.flush()
                #expect(folder.lines("app.log") == ["gone \(round)"])
                // In one go: the kernel's news of it come later than the write.
                unlink(folder.file("app.log"))
                for index in 0..<100 { logger.nowait.info("\(round) \(index)") }
                try await logger.flush()
                #expect(folder.lines("app.log") == (0..<100).map { "\(round) \($0)" })
                unlink(folder.file("app.log"))
            }
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == 3 * 101 && ledger.droppedTotal == 0 && ledger.balances)
            #expect(await handler.state == .ready)
        }
    }

    @Test("its folder is removed: folder and file are made again, if the handler makes folders, and nothing is lost")
    func removedFolder() throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(folder.path("logs/app.log"), formatter: plain, createsFolders: true)
            let logger = Logger("app", handlers: [handler])
            await logger.info("gone")
            try await logger.flush()
            remove(folder.file("logs"), "app.log")
            for index in 0..<100 { await logger.info("\(index)") }
            try await logger.flush()
            #expect(folder.lines("logs/app.log") == (0..<100).map { "\($0)" })
            #expect(await handler.state == .ready)
            // No record is logged when it happens.
            remove(folder.file("logs"), "app.log")
            #expect(await eventually { folder.names == ["logs"] && LogFolder.isThere(folder.file("logs/app.log")) })
            #expect(await handler.statistics.ledger.written == 101)
        }
    }

    @Test(
        "its folder is removed, and the handler makes none: it says that it has failed, calls nothing written, and goes on when there is a folder"
    )
    func missingFolder() throws {
        let folder = try LogFolder()
        mkdir(folder.file("logs"), 0o755)
        try onLoop {
            let handler = try await FileHandler(
                folder.path("logs/app.log"), formatter: plain, rotation: Rotation(.size(500), naming: .numbered))
            let logger = Logger("app", handlers: [handler])
            await logger.info("gone")
            try await logger.flush()
            remove(folder.file("logs"), "app.log")
            for index in 0..<100 { await logger.info("\(index)") }
            #expect(await eventually { if case .failed = await handler.state { true } else { false } })
            guard case .failed(let reason) = await handler.state else { throw Unexpected("\(await handler.state)") }
            #expect(
                reason.operation == "open" && reason.code == .notFound
                    && reason.subject == "\"\(folder.file("logs/app.log"))\"")
            let before = await handler.statistics.ledger
            #expect(before.written == 1 && before.pending == 100 && before.droppedTotal == 0)
            await #expect { try await logger.flush() } throws: { ($0 as? IOError)?.code == .notFound }
            mkdir(folder.file("logs"), 0o755)
            #expect(await eventually { await handler.statistics.ledger.pending == 0 })
            #expect(folder.lines("logs/app.log") == (0..<100).map { "\($0)" })
            #expect(await eventually { await handler.state == .ready })
            let after = await handler.statistics.ledger
            #expect(after.written == 101 && after.droppedTotal == 0 && after.balances)
        }
    }

    /// Logs `text`, has the write of it suffer `fault`, and returns before the loop can begin the next write. Something
    /// has been written before: the first write looks at what kind of file it is, and that is a call, too.
    private func log(_ text: String, _ fault: Faults.Fault, _ logger: Logger, _ handler: LogFileHandler) {
        let writer = handler.buffer.writer
        let faults = Faults(fault, at: 1)
        Faults.install(faults)
        logger.nowait.info("\(text)")
        writer.pushOut()
        while writer.underWay.outcome == nil { usleep(100) }
        Faults.install(nil)
        #expect(faults.hasStruck)
    }

    /// Waits for what is in the buffer, without a turn of the loop before that: the next write has not been answered
    /// yet.
    private func flushError(_ handler: LogFileHandler) async -> IOError? {
        do throws(IOError) {
            try await handler.buffer.flush()
            return nil
        } catch { return error }
    }

    @Test(
        "a file is removed with half a record in it: that record is counted, reported and refused to a flush; the next file begins with a whole one",
        arguments: [false, true], [0, 3])
    func halfRecord(withFolder: Bool, following: Int) throws {
        let folder = try LogFolder()
        try EventLoop.run(clock: ManualClock()) {
            let handler = try await FileHandler(folder.path("logs/app.log"), formatter: plain, createsFolders: true)
            let logger = Logger("app", handlers: [handler])
            await logger.info("whole")
            try await logger.flush()
            log("torn", .short, logger, handler)
            #expect(folder.text("logs/app.log") == "whole\nt")
            unlink(folder.file("logs/app.log"))
            if withFolder { rmdir(folder.file("logs")) }
            for index in 0..<following { logger.nowait.info("\(index)") }
            let error = await flushError(handler)
            #expect(error.map { "\($0)" } == "write \"\(folder.file("logs/app.log"))\": the file has been removed")
            try await logger.flush()
            #expect(await eventually { folder.lines("logs/app.log").count == following + 1 }, "no report")
            #expect(
                folder.text("logs/app.log") == (0..<following).map { "\($0)\n" }.joined()
                    + "1 records dropped here: 2 to 2\n")
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == 1 + UInt64(following) && ledger.dropped == [.failure: 1] && ledger.balances)
            #expect(await handler.state == .ready)
        }
    }

    @Test("the same without a folder to make the next one in: what is whole waits, and nothing torn comes before it")
    func halfRecordWithoutFolder() throws {
        let folder = try LogFolder()
        mkdir(folder.file("logs"), 0o755)
        try EventLoop.run {
            let handler = try await FileHandler(folder.path("logs/app.log"), formatter: plain)
            let logger = Logger("app", handlers: [handler])
            await logger.info("whole")
            try await logger.flush()
            log("torn", .short, logger, handler)
            remove(folder.file("logs"), "app.log")
            for index in 0..<3 { logger.nowait.info("\(index)") }
            #expect(
                await eventually {
                    if case .failed(let reason) = await handler.state { reason.operation == "open" } else { false }
                })
            let before = await handler.statistics.ledger
            #expect(before.written == 1 && before.dropped == [.failure: 1] && before.pending == 3, "\(before)")
            mkdir(folder.file("logs"), 0o755)
            #expect(
                await eventually { folder.lines("logs/app.log") == ["0", "1", "2", "1 records dropped here: 2 to 2"] })
            #expect(await eventually { await handler.state == .ready })
        }
    }

    @Test(
        "a file that takes no more of a record is removed: its space is given back, and the records that wait go into the next one"
    )
    func removedWhileFailing() throws {
        let folder = try LogFolder()
        try EventLoop.run(clock: ManualClock()) {
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
            let logger = Logger("app", handlers: [handler])
            await logger.info("whole")
            try await logger.flush()
            log("torn", .short, logger, handler)
            // The rest finds the disk full, before the file is removed, and after.
            log("0", .errno(.noSpace), logger, handler)
            #expect(await flushError(handler)?.code == .noSpace)
            unlink(folder.file("app.log"))
            log("1", .errno(.noSpace), logger, handler)
            #expect(await flushError(handler)?.code == .removed)
            #expect(await eventually { folder.lines("app.log") == ["0", "1", "1 records dropped here: 2 to 2"] })
            #expect(await handler.state == .ready)
            let ledger = await handler.statistics.ledger
            #expect(ledger.written == 3 && ledger.dropped == [.failure: 1] && ledger.balances)
        }
    }

    @Test("the same with nothing to be written: the state says so before anything can be lost")
    func missingFolderAtRest() throws {
        let folder = try LogFolder()
        mkdir(folder.file("logs"), 0o755)
        try onLoop {
            let handler = try await FileHandler(folder.path("logs/app.log"), formatter: plain)
            remove(folder.file("logs"), "app.log")
            #expect(await eventually { if case .failed = await handler.state { true } else { false } })
            await Logger("app", handlers: [handler]).info("kept")
            mkdir(folder.file("logs"), 0o755)
            #expect(await eventually { folder.lines("logs/app.log") == ["kept"] })
        }
    }
}

extension LogFolder {
    fileprivate static func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
#endif
