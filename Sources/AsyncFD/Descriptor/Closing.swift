// When a descriptor is closed, and what happens to the tasks that wait on it.
//
// First the waiters are woken, then the number is closed: after close(2) the number may belong to another descriptor.
// For the same reason a call that another thread is making finishes before the number is closed.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Closes an owned descriptor; merely forgets a borrowed one. What was printed to it is written first, as far as
    /// the descriptor takes it. Tasks that wait on it get `IOError.Code.closed`; a call that another thread is making
    /// for them finishes. Further calls do nothing.
    public func close() async {
        await onLoop(orElse: ()) { descriptor in
            if let buffer = descriptor.printer?.buffer {
                await buffer.retire()
                descriptor.printer?.outputReleased()
            }
            await withUnsafeContinuation { continuation in
                descriptor.closeHere { continuation.resume() }
            }
        }
    }

    package func closeHere(then done: @escaping () -> Void = {}) {
        guard !isClosed else { return done() }
        isClosed = true
        for writer in batchWriters { writer.descriptorCloses() }
        tellWriters()
        let teardown = Teardown(
            reading: reading.take(), writing: writing.take(), owned: owns ? descriptor.rawValue : nil)
        teardown.forget()
        if hasExtras { extras.fileWrites.close() }
        afterUses = { [self] in
            if owns, kind == .file || kind == .socket {
                // A network file system, or SO_LINGER, makes close(2) wait.
                loop.offloadIO({ teardown.closeNumbers() }, then: done)
            } else {
                teardown.closeNumbers()
                done()
            }
        }
        if uses.close() { afterUses.take()?() }
    }
}

/// What is left to close when an `AsyncFD` is closed or deallocated.
///
/// Unchecked: handed from the thread of the last reference to the loop's thread, and used only there.
struct Teardown: @unchecked Sendable {
    let reading: IOPath?
    let writing: IOPath?
    let owned: CInt?

    /// Wakes the waiters and frees the slots in the poller.
    func forget() {
        reading?.registration?.close()
        writing?.registration?.close()
    }

    func closeNumbers() {
        reading?.closePrivate()
        writing?.closePrivate()
        if let owned { Syscalls.close(owned) }
    }
}
