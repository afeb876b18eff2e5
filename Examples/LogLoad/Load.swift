// The load: tasks that log, a task that ticks, and the books.
import AsyncLog
import EventLoop

/// On the event loop's thread, which is the main thread.
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

    /// Outside of the loop's life: handlers that are made here live on the main loop.
    nonisolated init(_ options: LogLoad) throws {
        self.options = options
        handler = try options.to.handler(options)
        logger = Logger("load", handlers: [handler])
        words = Words(size: options.size)
        start = Clock.now
        pace = Pace(lines: options.lines, rate: options.rate)
    }

    /// Returns when all has been logged and flushed; the end of the loop sees to what is pending then.
    func run() async {
        if options.crash?.line == 0 { options.crash!.happen() }
        // A crash finds what was logged only when there is a file to write it to.
        try? await (handler as? LogFileHandler)?.reopen()
        let ticker = Task { await tick() }
        let threads = ThreadLoad(count: options.threads, firstTask: options.tasks, logger: logger, pace: pace, words: words) { seq in
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
                // A task of a program that has other things to do, too, does not log for ever without letting them.
                if seq % 64 == 63 { await Task.yield() }
            }
        }
    }

    nonisolated private func isFlushDue(_ seq: Int) -> Bool { options.flushEvery > 0 && (seq + 1) % options.flushEvery == 0 }

    /// Flushes, and brings the report up to date: what it says is written, is written. Errors are the handler's, who says them.
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

    /// Wakes every so many milliseconds, and notices how long that really took.
    private func tick() async {
        var last = Clock.now
        while !Task.isCancelled {
            try? await EventLoop.sleep(for: .milliseconds(options.tickMs))
            let now = Clock.now
            maxTickGap = max(maxTickGap, now - last)
            last = now
        }
    }

    /// After `run` and the end of the loop, by which all is written: waits for files that are being compressed, and says how things stand.
    func giveUp() async -> Report {
        await logger.shutdown(within: .seconds(60))
        return await report()
    }

    /// How things stand.
    private func report() async -> Report {
        let statistics = await handler.statistics
        return Report(
            ledger: statistics.ledger, bytes: statistics.writtenBytes, maxTickGap: maxTickGap, latencies: latencies, elapsed: Clock.now - start,
            turns: EventLoop.current?.metrics.turns ?? 0, state: await handler.state.description)
    }
}
