// R4c: calls at a later time, half of them cancelled.
import EventLoop

enum Callbacks {
    static func run(_ count: Int, lead: Duration) async {
        let before = memory("VmRSS")
        let (start, startOfWork) = (nanoseconds(), processorSeconds())
        let calls = Calls(count - count / 2)
        var random: UInt64 = 42
        var timers: [EventLoop.Timer] = []
        timers.reserveCapacity(count)
        let loop = EventLoop.current!
        for _ in 0..<count {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let due = LoopClock.Instant.now + lead + .nanoseconds(Int64(random >> 33) % 1_000_000_000)
            timers.append(loop.perform(at: due) { calls.note(.now - due) })
        }
        for index in stride(from: 1, to: count, by: 2) { timers[index].cancel() }
        let scheduled = Double(nanoseconds() - start) / 1e9
        await calls.end()
        Swift.print(
            "cpu_s=\(processorSeconds() - startOfWork) sched_s=\(scheduled) max_late_ms=\(calls.worst / .milliseconds(1))"
                + " peak_kb=\(memory("VmHWM") - before)")
    }
}

/// Everything runs on one thread: the loop is the executor of the process.
private final class Calls: @unchecked Sendable {
    private var left: Int
    private(set) var worst = Duration.zero
    private var whenDone: (() -> Void)?

    init(_ count: Int) { left = count }

    func note(_ lateness: Duration) {
        worst = max(worst, lateness)
        left -= 1
        if left == 0 { whenDone?() }
    }

    func end() async {
        await withUnsafeContinuation { continuation in
            if left == 0 { continuation.resume() } else { whenDone = { continuation.resume() } }
        }
    }
}
