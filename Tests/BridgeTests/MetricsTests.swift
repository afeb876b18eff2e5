// Numbers out of logs, and about logs.
import AsyncFD
import AsyncLog
import AsyncLogBridge
import AsyncLogMetrics
import EventLoop
import Logging
import MetricsTestKit
import SystemPackage
import TestSupport
import Testing

@Suite("Metrics")
struct MetricsTests {
    @Test("records are counted by level and name, and numbers collected with their values; other values are left out")
    func derived() throws {
        let metrics = TestMetrics()
        try EventLoop.run {
            let handler = MetricsHandler(histograms: ["ms": "request_ms", "took": "request_time"], factory: metrics)
            let logger = AsyncLog.Logger("api", level: .debug, handlers: [handler])
            await logger.info("served", ["ms": 3, "took": Duration.milliseconds(2)])
            await logger.info("served", ["ms": 1.5])
            await logger.info("served", ["ms": "slow"])
            await logger["db"].error("failed", ["ms": UInt64(7)])
            await logger.trace("not looked at")
        }
        #expect(try metrics.expectCounter("log_records", [("level", "info"), ("logger", "api")]).totalValue == 3)
        #expect(try metrics.expectCounter("log_records", [("level", "error"), ("logger", "api.db")]).totalValue == 1)
        #expect(metrics.counters.count == 2)
        #expect(try metrics.expectRecorder("request_ms", [("logger", "api")]).values == [3, 1.5])
        #expect(try metrics.expectRecorder("request_ms", [("logger", "api.db")]).values == [7])
        #expect(try metrics.expectTimer("request_time", [("logger", "api")]).values == [2_000_000])
    }

    @Test("a logger for each request does not make a metric for each request")
    func boundedNames() throws {
        let metrics = TestMetrics()
        try EventLoop.run {
            let logger = AsyncLog.Logger("api", handlers: [MetricsHandler(maximumNames: 2, factory: metrics)])
            for number in 0..<10 { await logger["r\(number)"].info("m") }
        }
        #expect(metrics.counters.count == 3)
        #expect(try metrics.expectCounter("log_records", [("level", "info"), ("logger", "other")]).totalValue == 8)
    }

    @Test("numbers of swift-log's metadata are collected, too")
    func throughTheBridge() throws {
        let metrics = TestMetrics()
        try EventLoop.run {
            let backend = AsyncLogBackend(
                AsyncLog.Logger("", handlers: [MetricsHandler(histograms: ["status": "status"], factory: metrics)]))
            var logger = backend.logger("http")
            logger[metadataKey: "status"] = .stringConvertible(500)
            logger.info("m", metadata: ["status": .stringConvertible(200)])
            logger.info("m")
        }
        #expect(try metrics.expectRecorder("status", [("logger", "http")]).values == [200, 500])
    }

    @Test(
        "the handlers' ledgers are counters that grow by the difference to the last update, and dropped records have their reason"
    )
    func statistics() throws {
        let metrics = TestMetrics()
        let pipe = try Pipe()
        try EventLoop.run {
            let handler = StreamHandler(
                AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer), label: "the pipe"),
                formatter: TextFormatter(), capacity: 100_000,
                reserve: 0, overflow: .dropNewest)
            let logger = AsyncLog.Logger("app", handlers: [handler])
            let reporter = StatisticsReporter(logger, factory: metrics)
            await logger.info("one")
            try await logger.flush()
            await reporter.update()
            await reporter.update()
            #expect(try metrics.expectCounter("log_records_written", [("handler", "0 the pipe")]).totalValue == 1)

            // More than the pipe and the buffer hold.
            let text = String(repeating: "x", count: 1000)
            for _ in 0..<300 { logger.nowait.info("\(text)") }
            await reporter.update()
            let ledger = await logger.ledger
            let dropped = try metrics.expectCounter(
                "log_records_dropped", [("handler", "0 the pipe"), ("reason", "overflow")]
            ).totalValue
            #expect(dropped > 0 && dropped == Int64(ledger.dropped[.overflow] ?? 0))
            #expect(try metrics.expectCounter("log_records_accepted", [("handler", "0 the pipe")]).totalValue == 301)
            #expect(
                try metrics.expectMeter("log_records_pending", [("handler", "0 the pipe")]).lastValue
                    == Double(ledger.pending))
            #expect(try metrics.expectMeter("log_bytes_capacity", [("handler", "0 the pipe")]).lastValue == 100_000)
            #expect(try metrics.expectMeter("log_handler_failing", [("handler", "0 the pipe")]).lastValue == 0)
            await logger.shutdown(within: .zero)
        }
    }

    @Test("a reporter that is cancelled reports once more, so that nothing of the last interval is missing")
    func lastReport() async throws {
        let metrics = TestMetrics()
        let backend = try await AsyncLogBackend.start(name: "log-metrics") { [MemoryHandler()] }
        let reporter = StatisticsReporter(backend.logger, factory: metrics)
        let task = Task { try await reporter.run(every: .seconds(3600)) }
        while (try? metrics.expectMeter("log_records_pending", [("handler", "0 MemoryHandler")])) == nil {
            await Task.yield()
        }
        backend.logger("app").info("m")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try metrics.expectCounter("log_records_written", [("handler", "0 MemoryHandler")]).totalValue == 1)
    }
}
