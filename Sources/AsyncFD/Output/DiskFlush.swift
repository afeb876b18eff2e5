// Making what has been written durable: one fdatasync(2) at a time, shared by all tasks that wait for it.
import EventLoop
import SystemPackage

/// Loop thread only.
final class DiskFlush {
    private let writer: BatchWriter
    private let label: String
    private var waiting: [UnsafeContinuation<IOError?, Never>] = []
    private var isUnderWay = false
    /// The number of calls of fdatasync(2).
    private(set) var calls = 0

    init(_ writer: BatchWriter, label: String) {
        self.writer = writer
        self.label = label
    }

    /// Suspends until what the batch writer has written is on the disk. A task that asks while a call is being made is
    /// served by the next call, together with all other tasks that have asked meanwhile.
    func flush() async throws(IOError) {
        let error = await withUnsafeContinuation { continuation in
            waiting.append(continuation)
            if !isUnderWay { start() }
        }
        if let error { throw error }
    }

    private func start() {
        let served = waiting
        waiting = []
        guard let descriptor = writer.descriptor else {
            for waiter in served {
                waiter.resume(returning: writer.failure ?? IOError("fdatasync", on: label, .closed))
            }
            return
        }
        isUnderWay = true
        calls += 1
        // The number stays open until then, even if the batch writer is redirected meanwhile.
        descriptor.offloadIO({ Syscalls.sync($0, dataOnly: true) }) { [self] (errno: Errno?) in
            isUnderWay = false
            let error = errno.map { IOError("fdatasync", on: label, $0) }
            for waiter in served { waiter.resume(returning: error) }
            if !waiting.isEmpty { start() }
        }
    }
}
