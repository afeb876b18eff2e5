// Writes to a regular file: in the order of the calls, and as many as wait with one call.
//
// A file's writes are made on another thread, one at a time, so that their order is kept. While one is being made
// others arrive; they are written together by the next `writev`. A hundred tasks that each write a line cost a few
// calls, not a hundred.
import EventLoop
import Glibc
import SystemPackage

/// The writes that wait. Pure: each function returns what its caller must do next.
struct FileWrites {
    typealias Ticket = TicketQueue<Write>.Ticket

    struct Write {
        let ticket: Ticket
        /// Valid until the continuation is resumed.
        let bytes: UnsafeRawBufferPointer
        let continuation: UnsafeContinuation<Outcome, Never>
    }

    struct Outcome: Sendable {
        var written: Int
        /// Nil if all was written.
        var failure: IOError?
    }

    private static let mostVectors = 64
    private static let mostBytes = 1 << 20

    private var waiting = TicketQueue<Write>()
    /// A batch is being written, or waits for the descriptor's turn.
    private(set) var isActive = false

    /// The ticket that the next `add` has to use.
    var nextTicket: Ticket { waiting.nextTicket }

    /// A task has been cancelled before it could `add`: uses up its ticket.
    mutating func skip() { waiting.skip() }

    /// Returns true if the caller has to start a batch.
    mutating func add(_ write: Write) -> Bool {
        waiting.enter(write)
        defer { isActive = true }
        return !isActive
    }

    /// Nil if it is being written, or has been.
    mutating func cancel(_ ticket: Ticket) -> Write? { waiting.cancel(ticket) }

    /// The oldest writes, as many as go together. If there are none, the batch is over.
    mutating func next() -> [Write] {
        var batch: [Write] = []
        var size = 0
        while batch.count < Self.mostVectors,
            let write = waiting.popFirst(if: { batch.isEmpty || size + $0.bytes.count <= Self.mostBytes })
        {
            size += write.bytes.count
            batch.append(write)
        }
        isActive = !batch.isEmpty
        return batch
    }

    /// `moved` bytes of `batch` were written before it ended, because of `failure` if there is one. Returns the writes
    /// to resume, with their outcomes; writes that were not begun wait again, and are the first to be made.
    mutating func completed(_ batch: [Write], moved: Int, failure: IOError?) -> [(Write, Outcome)] {
        var left = moved
        var answers: [(Write, Outcome)] = []
        for (index, write) in batch.enumerated() {
            guard left < write.bytes.count else {
                left -= write.bytes.count
                answers.append((write, Outcome(written: write.bytes.count, failure: nil)))
                continue
            }
            answers.append((write, Outcome(written: left, failure: failure)))
            for rest in batch[(index + 1)...].reversed() { waiting.putBack(rest, rest.ticket) }
            break
        }
        return answers
    }

    /// The descriptor is closed: the waiting writes end with `.closed`.
    mutating func close() {
        for write in waiting.removeAll() { write.continuation.resume(returning: Outcome(written: 0, failure: nil)) }
    }
}

extension AsyncFD {
    /// Writes all bytes to a regular file. A write that has begun is not cancelled.
    func writeToFile(_ bytes: UnsafeRawBufferPointer) async throws(IOError) {
        guard !bytes.isEmpty else { return }
        let ticket = extras.fileWrites.nextTicket
        let outcome: FileWrites.Outcome = await parkTask { continuation in
            if Task.isCancelled {
                extras.fileWrites.skip()
                continuation.resume(
                    returning: FileWrites.Outcome(written: 0, failure: IOError("write", on: label, .cancelled)))
            } else if extras.fileWrites.add(FileWrites.Write(ticket: ticket, bytes: bytes, continuation: continuation))
            {
                takeFileTurn()
            }
        } onCancel: { [loop] in
            loop.perform {
                self.extras.fileWrites.cancel(ticket)?.continuation.resume(
                    returning: FileWrites.Outcome(written: 0, failure: IOError("write", on: self.label, .cancelled)))
            }
        }
        guard outcome.written < bytes.count else { return }
        var error = outcome.failure ?? IOError("write", on: label, .closed)
        error.bytesWritten = outcome.written
        throw error
    }

    private func takeFileTurn() {
        if enterTurn() { return writeBatch() }
        writers.wait(self, .batchWriter { [self] in writeBatch() })
    }

    private func writeBatch() {
        if isClosed { extras.fileWrites.close() }
        let batch = extras.fileWrites.next()
        guard !batch.isEmpty else {
            leaveTurn()
            return
        }
        // The kernel's position is behind what has been read ahead; the caller's position is before it.
        let rewind = isBeingRead ? 0 : input.count
        if rewind > 0 { input.consume(rewind) }
        let pieces = Pieces(
            batch.map {
                iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.bytes.baseAddress), iov_len: $0.bytes.count)
            })
        offloadIO({ number in
            if rewind > 0 { _ = Syscalls.seek(number, Int64(-rewind), SEEK_CUR) }
            return pieces.writeAll(to: number)
        }) { [self] (moved: Int, errno: Errno?) in
            let answers = extras.fileWrites.completed(
                batch, moved: moved, failure: errno.map { IOError("write", on: label, $0) })
            for (write, outcome) in answers { write.continuation.resume(returning: outcome) }
            // Other writers, prints and logs, get their turn between batches.
            leaveTurn()
            takeFileTurn()
        }
    }
}

/// A list of memory on its way to another thread. Unchecked: the owners of the memory wait until it has been written.
private struct Pieces: @unchecked Sendable {
    let vectors: [iovec]
    init(_ vectors: [iovec]) { self.vectors = vectors }

    /// Blocks. Returns how many bytes were written, and the error that ended it.
    func writeAll(to descriptor: CInt) -> (Int, Errno?) {
        var vectors = vectors[...]
        var total = 0
        while let first = vectors.first {
            switch vectors.withUnsafeBufferPointer({ Syscalls.write(descriptor, $0) }) {
            case .failed(let errno): return (total, errno)
            case .wouldBlock: return (total, .resourceTemporarilyUnavailable)
            case .bytes(let count):
                total += count
                var left = count
                while let next = vectors.first, left >= next.iov_len {
                    left -= next.iov_len
                    vectors.removeFirst()
                }
                if left > 0, let next = vectors.first {
                    vectors[vectors.startIndex] = iovec(iov_base: next.iov_base! + left, iov_len: next.iov_len - left)
                } else if count == 0, first.iov_len > 0 {
                    return (total, .ioError)
                }
            }
        }
        return (total, nil)
    }
}
