// A rotation that is under way when everything else is over: it is waited for, but not for ever.
#if DEBUG
import AsyncFD
import TestSupport
import Testing

@testable import AsyncLog
@testable import EventLoop

@Suite("Rotation at the end")
struct RotationEndingTests {
    /// A logger whose file is to be rotated by threads that are all busy until they are released.
    private func rotating(
        _ folder: LogFolder,
        _ body: (_ logger: Logger, _ disk: BusyPool, _ rotation: Task<Void, any Error>) async throws -> Void
    ) async throws {
        let loop = EventLoop.current!
        let handler = try await FileHandler(
            folder.path("app.log"), formatter: plain, rotation: Rotation(naming: .numbered), reopensOnHangUp: false)
        let logger = Logger("app", handlers: [handler])
        await logger.info("old")
        try await logger.flush()
        let disk = BusyPool(loop)
        let rotation = Task(executorPreference: loop) { try await handler.rotate() }
        for _ in 0..<10 { await Task.yield() }
        #expect(folder.names == ["app.log"])
        try await body(logger, disk, rotation)
    }

    @Test("a loop that ends, and a shutdown, wait for the rotation that is under way", arguments: [true, false])
    func endInTheMiddle(shutsDown: Bool) throws {
        let folder = try LogFolder()
        try onLoop {
            try await rotating(folder) { logger, disk, _ in
                nonisolated(unsafe) let busy = disk
                EventLoop.current!.after(.milliseconds(20)) { busy.release() }
                guard shutsDown else { return }
                await logger.shutdown(within: .seconds(60))
                #expect(folder.lines("app.log.1") == ["old"])
            }
        }
        #expect(folder.lines("app.log.1") == ["old"])
    }

    @Test(
        "a rotation that does not come to an end holds the end of the loop up only as long as anything may",
        arguments: [true, false])
    func endlessRotation(shutsDown: Bool) throws {
        let folder = try LogFolder()
        try onLoop {
            try await rotating(folder) { logger, disk, rotation in
                let loop = EventLoop.current!
                if shutsDown {
                    await logger.shutdown(within: .milliseconds(20))
                } else {
                    loop.settleParticipants(within: .milliseconds(20))
                }
                #expect(folder.names == ["app.log"], "the disk was quicker than this test")
                disk.release()
                try await rotation.value
                #expect(folder.names == ["app.log", "app.log.1"])
            }
        }
    }
}
#endif
