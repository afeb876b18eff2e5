// What the environment makes of times.
import AsyncLog
import EventLoop

/// One moment in the machine's zone.
func showLocalTime() async throws {
    let handler = StreamHandler(
        .standardOutput, formatter: TextFormatter(pattern: try TextPattern("{time:s}"), timeZone: try .local()))
    let clock = ManualLogClock(WallTime(nanoseconds: 1_795_336_020_000_000_000))
    let logger = Logger("time", handlers: [handler], clock: .manual(clock))
    await logger.info("m")
    try await logger.flush()
}
