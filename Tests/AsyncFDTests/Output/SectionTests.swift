// A crash handler and the owner of what pends exclude each other: neither sees the other's work half done.
import CAsyncFD
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import AsyncFD

/// One at a time: what stops sections stops those of all threads.
@Suite("Sections", .serialized)
struct SectionTests {
    @Test("a crash handler sees that a section is entered, of whichever kind, and not those of its own thread")
    func visible() throws {
        let pending = cfd_pending_make()!
        defer { _ = cfd_pending_release(pending) }
        let address = UInt(bitPattern: pending)
        #expect(cfd_pending_is_still(pending) != 0)
        cfd_pending_enter(pending)
        #expect(cfd_pending_is_still(pending) != 0)
        #expect(try onThread { cfd_pending_is_still(UnsafeMutablePointer(bitPattern: address)) } == 0)
        cfd_pending_leave(pending)
        cfd_pending_begin_write(pending)
        #expect(try onThread { cfd_pending_is_still(UnsafeMutablePointer(bitPattern: address)) } == 0)
        cfd_pending_end_write(pending)
        #expect(try onThread { cfd_pending_is_still(UnsafeMutablePointer(bitPattern: address)) } != 0)
    }

    @Test("a signal from outside waits until the section is over; what a thread does to itself does not")
    func postponed() {
        let pending = cfd_pending_make()!
        defer { _ = cfd_pending_release(pending) }
        // Given again at the section's end: where it is ignored, nothing comes of it.
        var info = siginfo_t()
        info.si_signo = SIGURG
        info.si_code = CInt(SI_USER)
        #expect(cfd_pending_postpone(&info) == 0)
        cfd_pending_enter(pending)
        var own = siginfo_t()
        own.si_signo = SIGSEGV
        own.si_code = 1
        #expect(cfd_pending_postpone(&own) == 0)
        #expect(cfd_pending_postpone(&info) == 1)
        #expect(cfd_pending_postpone(&info) == 0)  // one that insists
        cfd_pending_leave(pending)
        #expect(cfd_pending_postpone(&info) == 0)
    }

    @Test("taking off what is written takes it off the count of what the kernel has, too")
    func counts() {
        var queue = ByteQueue()
        Array("0123456789".utf8).withUnsafeBytes { queue.append($0) }
        cfd_pending_enter(queue.pending)
        cfd_pending_did_write(queue.pending, 6)
        cfd_pending_leave(queue.pending)
        queue.consume(4)
        #expect(queue.count == 6 && cfd_pending_done(queue.pending) == 2)
        queue.remove(3, behind: 2)
        #expect(queue.count == 3 && cfd_pending_done(queue.pending) == 2)
        queue.consume(3)
        #expect(queue.isEmpty && cfd_pending_done(queue.pending) == 0)
    }

}
