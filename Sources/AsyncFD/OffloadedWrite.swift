// A write of an outlet's that a thread of the pool makes: what it takes along, and what it brings back.
//
// The bytes are the queue's. They stay where they are until the outlet has the answer, whatever is appended behind them, or taken out there, meanwhile.
import CEventLoop
import Glibc
import Synchronization

/// A copy of the list of pieces, for another thread. Unchecked: the pieces are the queue's, which leaves them alone until they are consumed.
struct PinnedVectors: @unchecked Sendable {
    private let vectors: Vectors
    private let pending: UnsafeMutablePointer<cel_pending>

    init(_ vectors: Vectors, of pending: UnsafeMutablePointer<cel_pending>) {
        let copy = UnsafeMutableBufferPointer<iovec>.allocate(capacity: vectors.count)
        _ = copy.initialize(from: vectors)
        self.vectors = Vectors(copy)
        self.pending = pending
    }

    /// On a thread of the pool. What has been written is noted at once: a crash must not write it again.
    func write(_ descriptor: CInt) -> IOOutcome {
        cel_pending_begin_write(pending)
        let outcome = Lane.moveOffLoop(.write, descriptor, vectors)
        if case .bytes(let count) = outcome { cel_pending_did_write(pending, count) }
        return outcome
    }

    /// In bytes.
    var count: Int { vectors.reduce(0) { $0 + Int($1.iov_len) } }

    func release() { vectors.deallocate() }
}

/// What came of an offloaded write. Unchecked: written before `isThere` becomes true, read after.
final class WriteAnswer: @unchecked Sendable {
    private var value = IOOutcome.wouldBlock
    private let isThere = Atomic<Bool>(false)

    /// On a thread of the pool, once.
    func set(_ outcome: IOOutcome) {
        value = outcome
        isThere.store(true, ordering: .releasing)
    }

    /// Nil until there is one.
    var outcome: IOOutcome? { isThere.load(ordering: .acquiring) ? value : nil }
}
