// Tasks that wait for a moment, none of them for longer than it likes.
import EventLoop

/// Loop thread only.
final class PatientTasks {
    private let loop: EventLoop
    private var waiting: [(id: UInt64, continuation: UnsafeContinuation<Void, Never>)] = []
    private var lastWait: UInt64 = 0

    init(_ loop: EventLoop) { self.loop = loop }

    /// Suspends until `resume`, or until then.
    func wait(until deadline: Instant) async {
        lastWait += 1
        let id = lastWait
        await withUnsafeContinuation { continuation in
            waiting.append((id, continuation))
            loop.after(deadline - .now) { [weak self] in
                guard let self, let index = waiting.firstIndex(where: { $0.id == id }) else { return }
                waiting.remove(at: index).continuation.resume()
            }
        }
    }

    /// The moment has come.
    func resume() {
        let resumed = waiting
        waiting = []
        for (_, continuation) in resumed { continuation.resume() }
    }
}
