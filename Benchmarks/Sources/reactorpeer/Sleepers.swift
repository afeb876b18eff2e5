// R4: tasks that sleep, half of them cancelled.
import EventLoop

enum Sleepers {
    static func run(_ count: Int, lead: Duration) async {
        let before = memory("VmRSS")
        let (start, startOfWork) = (nanoseconds(), processorSeconds())
        let lateness = Lateness()
        var random: UInt64 = 42
        var tasks: [Task<Void, Never>] = []
        tasks.reserveCapacity(count)
        for _ in 0..<count {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let due = LoopClock.Instant.now + lead + .nanoseconds(Int64(random >> 33) % 1_000_000_000)
            tasks.append(
                Task {
                    do { try await EventLoop.sleep(until: due) } catch { return }
                    lateness.note(.now - due)
                })
        }
        for index in stride(from: 1, to: count, by: 2) { tasks[index].cancel() }
        let scheduled = Double(nanoseconds() - start) / 1e9
        for task in tasks { await task.value }
        Swift.print(
            "cpu_s=\(processorSeconds() - startOfWork) sched_s=\(scheduled) max_late_ms=\(lateness.worst / .milliseconds(1))"
                + " peak_kb=\(memory("VmHWM") - before)")
    }
}

/// Everything runs on one thread: the loop is the executor of the process.
private final class Lateness: @unchecked Sendable {
    private(set) var worst = Duration.zero
    func note(_ lateness: Duration) { worst = max(worst, lateness) }
}
