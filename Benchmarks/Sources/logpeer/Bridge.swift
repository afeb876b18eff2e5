// One call of swift-log's `Logger` with four values of metadata, with `AsyncLogHandler` behind it and with
// `StreamLogHandler`: in turns, in one process, to the same destination, which is standard output.
import AsyncLog
import AsyncLogBridge
import EventLoop
@preconcurrency import Glibc
import Logging

/// Measures the cost of swift-log itself: it makes the event and throws it away.
private struct NoHandler: LogHandler {
    var logLevel = Logging.Logger.Level.info
    var metadata = Logging.Logger.Metadata()
    subscript(metadataKey key: String) -> Logging.Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    @inline(never)
    func log(event: LogEvent) {}
}

enum BridgeBench {
    /// The time of one handler's calls: wall time, and processor time of the calling thread alone.
    private struct Times {
        var wall: [UInt64] = []
        var thread: [UInt64] = []

        mutating func measure(_ body: () -> Void) {
            let (wallStart, threadStart) = (clock(CLOCK_MONOTONIC), clock(CLOCK_THREAD_CPUTIME_ID))
            body()
            thread.append(clock(CLOCK_THREAD_CPUTIME_ID) - threadStart)
            wall.append(clock(CLOCK_MONOTONIC) - wallStart)
        }

        /// Nanoseconds a call, the median of the batches.
        func json(_ name: String) -> String {
            ",\"\(name)_ns\":\(median(wall)),\"\(name)_cpu_ns\":\(median(thread))"
        }

        private func median(_ values: [UInt64]) -> UInt64 { values.sorted()[values.count / 2] / UInt64(BridgeBench.batch) }
    }

    static let batch = 1000

    /// Beside a foreign runtime: the handler lives on a loop with a thread of its own.
    static func onOwnThread(_ rounds: Int) throws -> String {
        let backend = try AsyncLogBackend.start { [StreamHandler(.standardOutput, formatter: TextFormatter(), overflow: .block(upTo: .seconds(10)))] }
        let (ours, theirs) = loggers(backend)
        let none = Logging.Logger(label: "app") { _ in NoHandler() }
        var (bridge, stream, frontEnd) = (Times(), Times(), Times())
        for _ in 0..<rounds {
            stream.measure { log(theirs) }
            bridge.measure { log(ours) }
            drain(backend)
            frontEnd.measure { log(none) }
        }
        return bridge.json("asynclog_bridge") + stream.json("stream_log_handler") + frontEnd.json("no_handler") + ledgerJSON(backend)
    }

    /// On this package's loop: one thread.
    static func onLoop(_ rounds: Int) async throws -> String {
        let backend = AsyncLogBackend(AsyncLog.Logger("", handlers: [StreamHandler(.standardOutput, formatter: TextFormatter())]))
        let (ours, theirs) = loggers(backend)
        var (bridge, stream) = (Times(), Times())
        for _ in 0..<rounds {
            stream.measure { log(theirs) }
            bridge.measure { log(ours) }
            try await backend.logger.flush()
        }
        let ledger = await backend.logger.ledger
        return bridge.json("asynclog_bridge") + stream.json("stream_log_handler") + ",\"dropped\":\(ledger.droppedTotal)"
    }

    /// The bridge alone, for a profiler.
    static func alone(_ rounds: Int) throws -> String {
        let backend = try AsyncLogBackend.start { [StreamHandler(.standardOutput, formatter: TextFormatter(), overflow: .block(upTo: .seconds(10)))] }
        let (ours, _) = loggers(backend)
        var bridge = Times()
        for _ in 0..<rounds {
            bridge.measure { log(ours) }
            drain(backend)
        }
        return bridge.json("asynclog_bridge") + ledgerJSON(backend)
    }

    private static func loggers(_ backend: AsyncLogBackend) -> (Logging.Logger, Logging.Logger) {
        var ours = Logging.Logger(label: "app") { backend.handler(label: $0, metadataProvider: nil) }
        var theirs = Logging.Logger(label: "app") { StreamLogHandler.standardOutput(label: $0, metadataProvider: nil) }
        ours[metadataKey: "request"] = "4f1c2d3e"
        theirs[metadataKey: "request"] = "4f1c2d3e"
        return (ours, theirs)
    }

    @inline(never)
    private static func log(_ logger: Logging.Logger) {
        let path = "/index.html"
        for id in 0..<batch {
            logger.info(
                "request handled",
                metadata: ["method": "GET", "path": "\(path)", "status": .stringConvertible(200), "number": .stringConvertible(id)])
        }
    }

    /// Waits until the other thread has written everything, so that each batch meets an empty buffer.
    private static func drain(_ backend: AsyncLogBackend) {
        nonisolated(unsafe) var isDone = false
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        nonisolated(unsafe) let done = semaphore
        sem_init(semaphore, 0, 0)
        Task {
            try? await backend.logger.flush()
            isDone = true
            sem_post(done)
        }
        while sem_wait(semaphore) != 0 {}
        precondition(isDone)
        semaphore.deallocate()
    }

    private static func ledgerJSON(_ backend: AsyncLogBackend) -> String {
        drain(backend)
        nonisolated(unsafe) var dropped: UInt64 = 0
        nonisolated(unsafe) let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(done, 0, 0)
        Task {
            dropped = await backend.logger.ledger.droppedTotal
            sem_post(done)
        }
        while sem_wait(done) != 0 {}
        return ",\"dropped\":\(dropped)"
    }

    private static func clock(_ id: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(id, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
