// Plain threads that log: threads of the program's own, without an event loop.
import AsyncLog
@preconcurrency import Glibc

/// Starts threads that log.
final class ThreadLoad: Sendable {
    private let results: AsyncStream<LatencyHistogram>
    private let count: Int

    /// - Parameter logged: called after each record, on the thread that logged it.
    init(
        count: Int, firstTask: Int, logger: Logger, pace: Pace, words: Words, logged: @escaping @Sendable (Int) -> Void
    ) {
        self.count = count
        let (results, continuation) = AsyncStream.makeStream(of: LatencyHistogram.self)
        self.results = results
        for index in 0..<count {
            startThread {
                continuation.yield(ThreadLoad.log(firstTask + index, logger, pace, words, logged))
            }
        }
    }

    /// Waits until all threads are done, and returns the measurements of each.
    func join() async -> [LatencyHistogram] {
        var histograms: [LatencyHistogram] = []
        guard count > 0 else { return histograms }
        for await histogram in results {
            histograms.append(histogram)
            if histograms.count == count { break }
        }
        return histograms
    }

    private static func log(_ task: Int, _ logger: Logger, _ pace: Pace, _ words: Words, _ logged: (Int) -> Void)
        -> LatencyHistogram
    {
        var latencies = LatencyHistogram()
        while true {
            switch pace.draw() {
            case .done: return latencies
            case .wait(let deadline): Clock.sleep(until: deadline)
            case .log(let seq):
                let begin = Clock.now
                logger.info("\(words.message(seq)) \(seq)", ["seq": seq, "task": task, "pad": words.padding])
                latencies.record(Clock.now - begin)
                logged(seq)
            }
        }
    }
}

private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(Body(body)).toOpaque())
    precondition(code == 0, "pthread_create: \(String(cString: strerror(code)))")
    pthread_detach(thread)
}
