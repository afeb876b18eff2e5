// Log files and folders that another program removes: no record that went into a removed file counts as written.
#if DEBUG
import AsyncFD
import EventLoop
import Glibc
import TestSupport
import Testing

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

    @Test("its folder is removed, and the handler makes none: it says that it has failed, calls nothing written, and goes on when there is a folder")
    func missingFolder() throws {
        let folder = try LogFolder()
        mkdir(folder.file("logs"), 0o755)
        try onLoop {
            let handler = try await FileHandler(folder.path("logs/app.log"), formatter: plain, rotation: Rotation(.size(500), naming: .numbered))
            let logger = Logger("app", handlers: [handler])
            await logger.info("gone")
            try await logger.flush()
            remove(folder.file("logs"), "app.log")
            for index in 0..<100 { await logger.info("\(index)") }
            #expect(await eventually { if case .failed = await handler.state { true } else { false } })
            guard case .failed(let reason) = await handler.state else { throw Unexpected("\(await handler.state)") }
            #expect(reason.operation == "open" && reason.code == .notFound && reason.subject == "\"\(folder.file("logs/app.log"))\"")
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
