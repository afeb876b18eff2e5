// Bytes that wait to be written: appended whole records at a time, taken off in whatever pieces the kernel accepts.
//
// A list of chunks. Each record is contiguous, so that it can be formatted in place; the list goes to `writev` as it
// is. What has been written is never moved. When the queue runs empty it starts over at the beginning of the same
// chunk, whose memory is warm.
//
// The chunks are C structures in a list, so that the crash handler can follow it at any moment: a record becomes
// part of the list with one store, after its bytes are there; every other change is made in a section (Pending.h).
import CAsyncFD
import Glibc

/// Loop thread only; but a thread of the pool may read what has been appended while more is appended behind it.
package struct ByteQueue: ~Copyable {
    /// 64 KiB is what a pipe holds, and what makes the price of a system call per byte vanish (45 ns per 100 bytes).
    package static let chunkSize = 65_536
    /// Chunks kept for reuse when a burst is over: those of one write to a file, while as many are being filled.
    private static let spareLimit = 4

    private typealias Chunk = UnsafeMutablePointer<cfd_chunk>

    /// Where the crash handler finds the list.
    package let pending: UnsafeMutablePointer<cfd_pending>
    /// The youngest chunk, which is being filled. The list begins at `pending.first` and ends here.
    private var tail: Chunk
    private var spares: Chunk?
    private var spareCount = 0
    /// Bytes that wait.
    package private(set) var count = 0 { didSet { cfd_pending_set_size(pending, count) } }

    package init() {
        guard let pending = cfd_pending_make() else { fatalError("no memory for pending output") }
        self.pending = pending
        tail = ByteQueue.makeChunk(0)
        pending.pointee.first = tail
    }

    deinit {
        var chunk = pending.pointee.first
        guard cfd_pending_release(pending) != 0 else { return }
        while let next = chunk {
            chunk = next.pointee.next
            cfd_chunk_free(next)
        }
        chunk = spares
        while let next = chunk {
            chunk = next.pointee.next
            cfd_chunk_free(next)
        }
    }

    package var isEmpty: Bool { count == 0 }

    /// Memory for a record of at most `size` bytes. Write to it, then `commit`.
    package mutating func reserve(_ size: Int) -> UnsafeMutableRawPointer {
        if tail.pointee.capacity - tail.pointee.end < size { startChunk(size) }
        return UnsafeMutableRawPointer(cfd_chunk_bytes(tail) + tail.pointee.end)
    }

    /// The first `size` bytes of what `reserve` returned are a record.
    package mutating func commit(_ size: Int) {
        cfd_chunk_commit(tail, size)
        count += size
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count)
        commit(bytes.count)
    }

    /// Fills `vectors` with the oldest `limit` bytes behind the first `done`, or as many as fit into its elements;
    /// returns how many elements were used.
    package func fill(_ vectors: UnsafeMutableBufferPointer<iovec>, limit: Int, behind done: Int = 0) -> Int {
        var used = 0
        var left = limit
        var skipped = done
        var next = pending.pointee.first
        while let chunk = next, used < vectors.count, left > 0 {
            let offset = min(chunk.length, skipped)
            skipped -= offset
            let size = min(chunk.length - offset, left)
            if size > 0 {
                vectors[used] = iovec(iov_base: cfd_chunk_bytes(chunk) + chunk.pointee.start + offset, iov_len: size)
                used += 1
                left -= size
            }
            next = chunk.pointee.next
        }
        return used
    }

    /// Fills each element of `vectors` with one record, the oldest first; `length` says how long the n-th is, nil ends
    /// it. Returns how many were used.
    package func fill(_ vectors: UnsafeMutableBufferPointer<iovec>, lengths length: (Int) -> Int?) -> Int {
        var used = 0
        var offset = 0
        var next = pending.pointee.first
        while used < vectors.count, let size = length(used) {
            while let chunk = next, offset >= chunk.length {
                offset = 0
                next = chunk.pointee.next
            }
            guard let chunk = next else { break }
            vectors[used] = iovec(iov_base: cfd_chunk_bytes(chunk) + chunk.pointee.start + offset, iov_len: size)
            offset += size
            used += 1
        }
        return used
    }

    /// The oldest `size` bytes have been written, or are given up.
    package mutating func consume(_ size: Int) {
        cfd_pending_enter(pending)
        defer { cfd_pending_leave(pending) }
        cfd_pending_took(pending, size)
        count -= size
        var left = size
        while let first = pending.pointee.first {
            guard first != tail, left >= first.length else { return first.consume(left) }
            left -= first.length
            pending.pointee.first = first.pointee.next
            recycle(first)
        }
    }

    /// Takes out `size` bytes that stand behind the oldest `kept` ones. Those stay where they are, unread and
    /// untouched: a thread of the pool may be writing them.
    package mutating func remove(_ size: Int, behind kept: Int) {
        guard kept > 0 else { return consume(size) }
        cfd_pending_enter(pending)
        defer { cfd_pending_leave(pending) }
        count -= size
        var last = pending.pointee.first!
        var end = kept
        while last.length < end {
            end -= last.length
            last = last.pointee.next!
        }
        // What stands in the same chunk as the last of the kept bytes; then what comes after, which is oldest of all in
        // its chunk.
        let first = min(size, last.length - end)
        if first > 0 { cut(last, at: end, droppingNext: first) }
        var left = size - first
        while left > 0, let next = last.pointee.next {
            guard next != tail, left >= next.length else { return next.consume(left) }
            left -= next.length
            last.pointee.next = next.pointee.next
            recycle(next)
        }
    }

    /// Drops `size` bytes that stand behind the oldest `kept` ones of a chunk. What stands behind them gets a chunk of
    /// its own.
    private mutating func cut(_ chunk: Chunk, at kept: Int, droppingNext size: Int) {
        let end = chunk.pointee.start + kept
        let left = chunk.length - kept - size
        guard left > 0 else {
            chunk.pointee.end = end
            return
        }
        let rest = emptyChunk(left)
        cfd_chunk_bytes(rest).update(from: cfd_chunk_bytes(chunk) + end + size, count: left)
        rest.pointee.end = left
        rest.pointee.next = chunk.pointee.next
        chunk.pointee.end = end
        chunk.pointee.next = rest
        if chunk == tail { tail = rest }
    }

    // MARK: Chunks

    private mutating func startChunk(_ size: Int) {
        let full = tail
        tail = emptyChunk(size)
        cfd_chunk_set_next(full, tail)
        if full.length == 0, pending.pointee.first == full {
            cfd_pending_enter(pending)
            pending.pointee.first = tail
            recycle(full)
            cfd_pending_leave(pending)
        }
    }

    private mutating func emptyChunk(_ size: Int) -> Chunk {
        guard size <= ByteQueue.chunkSize, let spare = spares else {
            return ByteQueue.makeChunk(max(size, ByteQueue.chunkSize))
        }
        spares = spare.pointee.next
        spareCount -= 1
        spare.pointee.next = nil
        return spare
    }

    private mutating func recycle(_ chunk: Chunk) {
        guard chunk.pointee.capacity == ByteQueue.chunkSize, spareCount < ByteQueue.spareLimit else {
            return cfd_chunk_free(chunk)
        }
        chunk.pointee.start = 0
        chunk.pointee.end = 0
        chunk.pointee.next = spares
        spares = chunk
        spareCount += 1
    }

    private static func makeChunk(_ capacity: Int) -> Chunk {
        guard let chunk = cfd_chunk_make(capacity) else { fatalError("no memory for \(capacity) bytes of output") }
        return chunk
    }
}

extension UnsafeMutablePointer<cfd_chunk> {
    /// Bytes that wait.
    fileprivate var length: Int { pointee.end - pointee.start }

    /// `size` bytes at the start are done with. An empty chunk starts over.
    fileprivate func consume(_ size: Int) {
        pointee.start += size
        if pointee.start == pointee.end { (pointee.start, pointee.end) = (0, 0) }
    }
}
