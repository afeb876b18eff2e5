// What the loop tells of itself.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Health")
struct HealthTests {
    private func spin(_ duration: Duration) {
        let end = Instant.monotonic + duration
        while Instant.monotonic < end {}
    }

    @Test("what the loop has done and what it holds is counted")
    func counts() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let loop = EventLoop.current!
            let before = loop.metrics
            let watch = Watch(FileDescriptor(rawValue: pipe.reader))
            let reader = Task(executorPreference: loop) { try await watch.readable() }
            let sleeper = Task(executorPreference: loop) { try await EventLoop.sleep(for: .seconds(3600)) }
            try await EventLoop.sleep(for: .milliseconds(1))
            let during = loop.metrics
            #expect(during.descriptors == 1)
            #expect(during.waiters == 1)
            #expect(during.timers == 2)
            write(pipe.writer, [UInt8(1)], 1)
            _ = try await reader.value
            sleeper.cancel()
            _ = await sleeper.result
            watch.close()
            for _ in 0..<3 { await Task.yield() }
            let after = loop.metrics
            #expect(after.descriptors == 0)
            #expect(after.waiters == 0)
            #expect(after.timers == 0)
            #expect(after.events - before.events == 1)
            #expect(after.timersFired - before.timersFired == 1)
            #expect(after.turns > before.turns)
            #expect(after.jobs > before.jobs)
            #expect(after.busy == .zero && after.lag.count == 0, "time is told without having been asked for")
        }
    }

    @Test("a job that holds the loop is measured, and reported to the hook")
    func slowJob() throws {
        let reports = Locked<[EventLoop.SlowJob]>([])
        try EventLoop.run {
            let loop = EventLoop.current!
            loop.onSlowJob(longerThan: .milliseconds(5)) { report in reports.withLock { $0.append(report) } }
            await Task.yield()
            spin(.milliseconds(6))
            await Task.yield()
            try await EventLoop.sleep(for: .milliseconds(3))
            let metrics = loop.metrics
            #expect(metrics.longestJob >= .milliseconds(6))
            #expect(metrics.busy >= .milliseconds(6))
            #expect(metrics.polling >= .milliseconds(2))
            #expect(metrics.lag.quantile(1) >= .milliseconds(6))
            #expect(metrics.lag.count > 1)
        }
        let report = reports.value.first
        #expect((report?.duration ?? .zero) >= .milliseconds(5))
        #expect(report?.job.isEmpty == false)
    }

    @Test("another thread can see that the loop is stuck, and for how long")
    func stuck() throws {
        let loop = try EventLoop.start(name: "stuck")
        defer { loop.stop() }
        loop.startMeasuring()
        let (entered, gate, left) = (DispatchlessSemaphore(), DispatchlessSemaphore(), DispatchlessSemaphore())
        Task(executorPreference: loop) {
            await Task.yield()  // the first job may have begun before it was measured
            entered.signal()
            if gate.block(seconds: 60) { left.signal() }
        }
        #expect(entered.wait(seconds: 30))
        #expect((loop.metrics.currentJob ?? .zero) > .zero)
        gate.signal()
        #expect(left.wait(seconds: 30))
    }

    @Test("the histogram's quantiles are upper bounds, not further away than double")
    func histogram() {
        let histogram = AtomicHistogram()
        for nanoseconds in 1...1000 { histogram.add(Int64(nanoseconds)) }
        let snapshot = histogram.snapshot()
        #expect(snapshot.count == 1000)
        for (share, exact) in [(0.5, 500), (0.9, 900), (0.99, 990), (1, 1000)] {
            let bound = snapshot.quantile(share)
            #expect(bound >= .nanoseconds(exact) && bound < .nanoseconds(2 * exact + 1))
        }
        #expect(AtomicHistogram().snapshot().quantile(0.5) == .zero)
        histogram.add(.max)
        histogram.add(0)
        #expect(histogram.snapshot().counts[63] == 1 && histogram.snapshot().counts[0] == 1)
    }
}
