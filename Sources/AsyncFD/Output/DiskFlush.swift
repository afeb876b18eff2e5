// Making what has been written durable: one fdatasync(2) at a time, for all who wait for it.
import EventLoop
import SystemPackage

/// Loop thread only.
final class DiskFlush {
    private let outlet: Outlet
    private let label: String
    private var waiting: [UnsafeContinuation<IOError?, Never>] = []
    private var isUnderWay = false
    /// How often the disk has been asked.
    private(set) var calls = 0

    init(_ outlet: Outlet, label: String) {
        self.outlet = outlet
        self.label = label
    }

    /// Suspends until what the outlet has written is on the disk. Whoever asks while others are being served is served with the next call, together
    /// with all who have asked meanwhile.
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
        guard let descriptor = outlet.descriptor else {
            for waiter in served { waiter.resume(returning: outlet.failure ?? IOError("fdatasync", on: label, .closed)) }
            return
        }
        isUnderWay = true
        calls += 1
        // The number stays open until then, whatever the outlet is led to meanwhile.
        descriptor.offloadIO({ Syscalls.sync($0, dataOnly: true) }) { [self] (errno: Errno?) in
            isUnderWay = false
            let error = errno.map { IOError("fdatasync", on: label, $0) }
            for waiter in served { waiter.resume(returning: error) }
            if !waiting.isEmpty { start() }
        }
    }
}
