// R6: another thread has the loop run closures.
import EventLoop
@preconcurrency import Glibc

enum Wakes {
    static func run(_ count: Int) async {
        for round in [count / 10, count] {
            let (start, startOfWork) = await post(round)
            guard round == count else { continue }
            let (end, endOfWork) = (nanoseconds(), processorSeconds())
            Swift.print(
                "ns=\(Double(end - start) / Double(count)) cpu_ns=\((endOfWork - startOfWork) * 1e9 / Double(count)) peak_kb=\(memory("VmHWM"))")
        }
    }

    /// Returns when the loop has run all closures, with the time and the processor time at which the posting began.
    private static func post(_ count: Int) async -> (UInt64, Double) {
        let poster = Poster(loop: EventLoop.current!, count: count)
        await withUnsafeContinuation { continuation in
            poster.done = { continuation.resume() }
            poster.start()
        }
        return (poster.begun, poster.begunWork)
    }
}

/// Unchecked: the thread reads values that were set before it started, and the loop reads values that the thread set before
/// its first call.
private final class Poster: @unchecked Sendable {
    private let loop: EventLoop
    private let count: Int
    private var left: Int
    private(set) var begun: UInt64 = 0
    private(set) var begunWork = 0.0
    var done: () -> Void = {}

    init(loop: EventLoop, count: Int) {
        self.loop = loop
        self.count = count
        left = count
    }

    func start() {
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Poster>.fromOpaque(context!).takeRetainedValue().postAll()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(status == 0, "pthread_create: \(status)")
        pthread_detach(thread)
    }

    private func postAll() {
        (begun, begunWork) = (nanoseconds(), processorSeconds())
        for _ in 0..<count { loop.perform { self.arrived() } }
    }

    private func arrived() {
        left -= 1
        if left == 0 { done() }
    }
}
