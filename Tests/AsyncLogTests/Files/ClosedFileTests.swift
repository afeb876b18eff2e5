// A file that is closed on purpose: that is no trouble, and none is reported.
#if DEBUG
import AsyncFD
import TestSupport
import Testing

@testable import AsyncLog
@testable import EventLoop

@Suite("Closed files")
struct ClosedFileTests {
    @Test("closing a handler on purpose is silent, and its state says that it is closed")
    func silent() throws {
        let folder = try LogFolder()
        try EventLoop.run(clock: ManualClock()) {
            let fallback = MemoryHandler()
            let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
            handler.reportTroubles(to: fallback)
            let logger = Logger("app", handlers: [handler])
            await logger.info("line")
            await handler.close()
            #expect("\(await handler.state)" == "closed")
            try await EventLoop.sleep(for: .seconds(600))
            #expect(fallback.messages == [])
            #expect("\(await handler.state)" == "closed")
            await handler.close()
            #expect(await handler.statistics.ledger.written == 1)
        }
        #expect(folder.lines("app.log") == ["line"])
    }

    @Test("an observer of a handler sees it close, and its earlier trouble is not reported again")
    func inTrouble() throws {
        let folder = try LogFolder()
        try EventLoop.run(clock: ManualClock()) {
            let fallback = MemoryHandler()
            func make() throws -> FileHandler<TextFormatter> {
                try FileHandler(folder.path("none/app.log"), formatter: plain)
            }
            let handler = try make()
            handler.reportTroubles(to: fallback)
            let states = handler.states
            try await EventLoop.sleep(for: .seconds(5))
            #expect(fallback.messages.count == 1 && fallback.messages[0].contains("ENOENT"), "\(fallback.messages)")
            await handler.close()
            try await EventLoop.sleep(for: .seconds(600))
            #expect(fallback.messages.count == 1, "\(fallback.messages)")
            var last = ""
            for await state in states {
                last = "\(state)"
                if last == "closed" { break }
            }
            #expect(last == "closed")
        }
    }
}
#endif
