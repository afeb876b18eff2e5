// A write of a batch writer's that a thread of the pool makes: what it takes along, and what it brings back.
//
// The bytes are the queue's. They stay where they are until the batch writer has the answer, whatever is appended
// behind them, or taken out there, meanwhile.
import CAsyncFD
import Glibc
import Synchronization

/// The write that a thread of the pool is making for a batch writer, if there is one. Loop thread only.
struct WriteUnderWay {
    /// Tells a write that has been answered, or given up, from the one that counts.
    private var number = 0
    private var answer: WriteAnswer?
    /// What was given up while it was being written, by the write's number.
    private var orphans: [Int: Orphan] = [:]
    /// How many bytes it writes; 0 if there is none.
    private(set) var size = 0
    /// When so many bytes have been appended, it is worth seeing whether there is an answer.
    var nextLook = UInt64.max

    /// What has come of it; nil if there is none, or it still goes on.
    var outcome: IOOutcome? { answer?.outcome }

    mutating func begin(_ size: Int, nextLook: UInt64) -> (number: Int, answer: WriteAnswer) {
        let answer = WriteAnswer()
        self.answer = answer
        self.size = size
        self.nextLook = nextLook
        return (number, answer)
    }

    /// The write has ended, or its outcome is no longer needed.
    mutating func forget() {
        number += 1
        answer = nil
        size = 0
        nextLook = .max
    }

    /// Keeps the memory that it still reads.
    mutating func keep(_ queue: consuming ByteQueue) { orphans[number] = Orphan(queue) }

    /// To be called when the pool has answered. False: the answer is no longer awaited.
    mutating func ended(_ number: Int) -> Bool {
        orphans[number] = nil
        return number == self.number
    }

    private final class Orphan {
        private let queue: ByteQueue
        init(_ queue: consuming ByteQueue) { self.queue = queue }
    }
}

/// A copy of the list of pieces, for another thread. Unchecked: the pieces are the queue's, which leaves them alone
/// until they are consumed.
struct PinnedVectors: @unchecked Sendable {
    private let vectors: Vectors
    private let pending: UnsafeMutablePointer<cfd_pending>
    /// How many bytes before these are in the kernel already.
    private let begun: Int

    init(_ vectors: Vectors, of pending: UnsafeMutablePointer<cfd_pending>, behind begun: Int) {
        let copy = UnsafeMutableBufferPointer<iovec>.allocate(capacity: vectors.count)
        _ = copy.initialize(from: vectors)
        self.vectors = Vectors(copy)
        self.pending = pending
        self.begun = begun
    }

    /// On a thread of the pool. What has been written is noted at once: a crash must not write it again.
    ///
    /// - Parameter mustHaveName: a file that has no name any more afterwards has not taken the bytes, because no
    ///   program can open it: ESTALE, as NFS says it of a file that was removed on the server. The same holds if the
    ///   write fails: that very file may have filled the disk.
    func write(_ descriptor: CInt, mustHaveName: Bool) -> IOOutcome {
        let done = cfd_pending_begin_write(pending)
        defer { cfd_pending_end_write(pending) }
        // Some of it has been written already, in the course of a crash that was survived.
        guard done == begun else { return .bytes(0) }
        let outcome = IOPath.moveOffLoop(.write, descriptor, vectors)
        if mustHaveName, case .success(let status) = Syscalls.status(descriptor), status.st_nlink == 0 {
            return .failed(.staleNFSFileHandle)
        }
        if case .bytes(let count) = outcome { cfd_pending_did_write(pending, count) }
        return outcome
    }

    /// On a thread of the pool: the same for records that go into a spool.
    func append(to spool: SpoolFile, _ lengths: [Int]) -> IOOutcome {
        let done = cfd_pending_begin_write(pending)
        defer { cfd_pending_end_write(pending) }
        guard done == begun else { return .bytes(0) }
        let outcome = spool.append(vectors, lengths)
        if case .bytes(let count) = outcome { cfd_pending_did_write(pending, count) }
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
