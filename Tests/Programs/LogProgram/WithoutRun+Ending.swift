// Ends that threads could put off: those of `run`, of a started loop and of the process, while four threads log without
// a pause.
import AsyncLog
import EventLoop
import Glibc

extension WithoutRun {
    /// Threads log without an end while the process ends. If it does not, the alarm ends it.
    static func exitUnderLoad() {
        alarm(10)
        logger.info("before the end")
        logWithoutEnd()
        usleep(20_000)
        exit(0)
    }

    /// Threads log without an end while `run` returns, and while a started loop stops. If one of the two does not end,
    /// the alarm ends the process.
    static func returnUnderLoad() throws {
        alarm(20)
        try EventLoop.run {
            await logger.info("before the end")
            logWithoutEnd()
            try await EventLoop.sleep(for: .milliseconds(20))
        }
        let loop = try EventLoop.start(name: "stopped")
        loop.stop()
        Glibc._exit(0)
    }

    private static func logWithoutEnd() {
        for _ in 0..<4 {
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { _ in
                    while true {
                        for _ in 0..<50 { logger.info("without an end") }
                        usleep(10)
                    }
                }, nil)
        }
    }
}
