// The load: tasks that log, a task that ticks, and the report.
import AsyncLog
import EventLoop

/// Runs on the event loop's thread, which is the main thread.
@MainActor
final class Load {
    private let options: LogLoad
    private let logger: Logger
    private let handler: BufferedHandler
    private let pace: Pace
    private let words: Words
    private let start: Int64
    private var latencies = LatencyHistogram()
    private var maxTickGap: Int64 = 0
    private var isFlushing = false

    /// Called before the loop runs: handlers that are made here live on the main loop.
    nonisolated init(_ options: LogLoad) throws {
        self.options = options
        handler = try options.to.handler(options)
        logger = Logger("load", handlers: [handler])
        words = Words(size: options.size)
        start = Clock.now
        pace = Pace(lines: options.lines, rate: options.rate)
    }

    /// Returns when all records have been logged and flushed; the end of the loop writes records that are still
    /// pending.
    func run() async {
        if options.crash?.line == 0 { options.crash!.happen() }
        // The crash handler can write records only if the file is open: so the load waits until it is.
        try? await (handler as? LogFileHandler)?.reopen()
        let ticker = Task { await tick() }
        let threads = ThreadLoad(
            count: options.threads, firstTask: options.tasks, logger: logger, pace: pace, words: words
        ) { seq in
            if let crash = self.options.crash, seq + 1 == crash.line { crash.happen() }
            if self.isFlushDue(seq) { Task { await self.flush() } }
        }
        await withDiscardingTaskGroup { group in
            for task in 0..<options.tasks { add(task, to: &group) }
        }
        for histogram in await threads.join() { latencies.merge(histogram) }
        if options.flush == .durable { await flush() }
        ticker.cancel()
        await ticker.value
    }

    private func add(_ task: Int, to group: inout DiscardingTaskGroup) { group.addTask { await self.log(task) } }

    private func log(_ task: Int) async {
        while true {
            switch pace.draw() {
            case .done: return
            case .wait(let deadline): try? await EventLoop.sleep(for: .nanoseconds(deadline - Clock.now))
            case .log(let seq):
                let begin = Clock.now
                await logger.info("\(words.message(seq)) \(seq)", ["seq": seq, "task": task, "pad": words.padding])
                latencies.record(Clock.now - begin)
                if let crash = options.crash, seq + 1 == crash.line { crash.happen() }
                if isFlushDue(seq) { await flush() }
                // A task of a real program does other work between its records: so this one yields now and then.
                if seq % 64 == 63 { await Task.yield() }
            }
        }
    }

    nonisolated private func isFlushDue(_ seq: Int) -> Bool {
        options.flushEvery > 0 && (seq + 1) % options.flushEvery == 0
    }

    /// Flushes, then updates the report: the records that it counts as written are written. The handler reports its own
    /// errors.
    private func flush() async {
        guard let mode = options.flush.mode else { return }
        try? await logger.flush(mode)
        // One at a time, so that no report is overwritten by an older one.
        guard let path = options.report, !isFlushing else { return }
        isFlushing = true
        let report = await report()
        try? await EventLoop.offload { try report.publish(to: path) }
        isFlushing = false
    }

    /// Wakes in a fixed interval, and measures how long the interval really was.
    private func tick() async {
        var last = Clock.now
        while !Task.isCancelled {
            try? await EventLoop.sleep(for: .milliseconds(options.tickMs))
            let now = Clock.now
            maxTickGap = max(maxTickGap, now - last)
            last = now
        }
    }

    /// Called after `run` and the end of the loop, by which time all records are written. Waits for files that are
    /// being compressed, and returns the report.
    func conclude() async -> Report {
        await logger.shutdown(within: .seconds(60))
        return await report()
    }

    /// The report at this moment.
    private func report() async -> Report {
        let statistics = await handler.statistics
        return Report(
            ledger: statistics.ledger, bytes: statistics.writtenBytes, maxTickGap: maxTickGap, latencies: latencies,
            elapsed: Clock.now - start,
            turns: EventLoop.current?.metrics.turns ?? 0, state: await handler.state.description)
    }
}
