// Who closes a descriptor, when, and what happens to those who wait on it.
//
// Waiters first, then the number: what they would do with it afterwards would be done to a stranger. For the same reason a call
// that another thread is making is let finish before the number is given back.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Closes an owned descriptor; merely forgets a borrowed one. What was printed to it goes out first, as far as the descriptor takes it.
    /// Tasks that wait on it get `IOError.Code.closed`; a call that another thread is making for them is let finish. Further calls do nothing.
    public func close() async {
        await onLoop(orElse: ()) { descriptor in
            if let buffer = descriptor.printer?.buffer {
                await buffer.retire()
                descriptor.printer?.bufferReleased()
            }
            await withUnsafeContinuation { continuation in
                descriptor.closeHere { continuation.resume() }
            }
        }
    }

    package func closeHere(then done: @escaping () -> Void = {}) {
        guard !isClosed else { return done() }
        isClosed = true
        for outlet in outlets { outlet.descriptorCloses() }
        tellWriters()
        let leftovers = Leftovers(reading: reading.take(), writing: writing.take(), owned: owns ? descriptor.rawValue : nil)
        leftovers.forget()
        if hasExtras { extras.fileWrites.close() }
        afterUses = { [self] in
            if owns, kind == .file || kind == .socket {
                // A network file system, or SO_LINGER, makes close(2) wait.
                loop.offloadIO({ leftovers.closeNumbers() }, then: done)
            } else {
                leftovers.closeNumbers()
                done()
            }
        }
        if uses.close() { afterUses.take()?() }
    }
}

/// What is left to close when an `AsyncFD` goes.
///
/// Unchecked: handed from the thread of the last reference to the loop's thread, and used only there.
struct Leftovers: @unchecked Sendable {
    let reading: Lane?
    let writing: Lane?
    let owned: CInt?

    /// Wakes who waits and gives the seats in the poller back.
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
