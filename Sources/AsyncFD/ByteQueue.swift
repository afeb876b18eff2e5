// Bytes that wait to be written: appended whole records at a time, taken off in whatever pieces the kernel accepts.
//
// A list of chunks. Each record is contiguous, so that it can be formatted in place; the list goes to `writev` as it is. What has
// been written is never moved. When the queue runs empty it starts over at the beginning of the same chunk, whose memory is warm.
import DequeModule
import Glibc

/// Loop thread only; but a thread of the pool may read what has been appended while more is appended behind it.
package struct ByteQueue: ~Copyable {
    /// 64 KiB is what a pipe holds, and what makes the price of a system call per byte vanish (45 ns per 100 bytes).
    package static let chunkSize = 65_536
    /// Chunks kept for reuse when a burst is over.
    private static let spareLimit = 2

    private struct Chunk {
        var base: UnsafeMutableRawPointer
        var capacity: Int
        /// Bytes in [start, end) wait to be written.
        var start = 0
        var end = 0

        init(capacity: Int) {
            base = .allocate(byteCount: capacity, alignment: 16)
            self.capacity = capacity
        }
    }

    /// Full chunks, oldest first. Behind them comes `tail`, which is being filled.
    private var full: Deque<Chunk> = []
    private var tail = Chunk(capacity: 0)
    private var spares: [Chunk] = []
    /// Bytes that wait.
    package private(set) var count = 0

    package init() {}

    deinit {
        for chunk in full { chunk.base.deallocate() }
        for chunk in spares { chunk.base.deallocate() }
        tail.base.deallocate()
    }

    package var isEmpty: Bool { count == 0 }

    /// Memory for a record of at most `size` bytes. Write to it, then `commit`.
    package mutating func reserve(_ size: Int) -> UnsafeMutableRawPointer {
        if tail.capacity - tail.end < size { startChunk(size) }
        return tail.base + tail.end
    }

    /// The first `size` bytes of what `reserve` returned are a record.
    package mutating func commit(_ size: Int) {
        tail.end += size
        count += size
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count)
        commit(bytes.count)
    }

    private mutating func startChunk(_ size: Int) {
        if tail.end > tail.start { full.append(tail) } else { recycle(tail) }
        if size <= Self.chunkSize, let spare = spares.popLast() { tail = spare } else { tail = Chunk(capacity: max(size, Self.chunkSize)) }
    }

    private mutating func recycle(_ chunk: Chunk) {
        guard chunk.capacity == Self.chunkSize, spares.count < Self.spareLimit else { return chunk.base.deallocate() }
        var chunk = chunk
        chunk.start = 0
        chunk.end = 0
        spares.append(chunk)
    }

    /// Fills `vectors` with the oldest `limit` bytes, or as many as fit into its elements; returns how many elements were used.
    package func fill(_ vectors: UnsafeMutableBufferPointer<iovec>, limit: Int) -> Int {
        var used = 0
        var left = limit
        func add(_ chunk: Chunk) {
            let size = min(chunk.end - chunk.start, left)
            guard size > 0, used < vectors.count else { return }
            vectors[used] = iovec(iov_base: chunk.base + chunk.start, iov_len: size)
            used += 1
            left -= size
        }
        for chunk in full {
            if used == vectors.count { break }
            add(chunk)
        }
        add(tail)
        return used
    }

    /// The oldest `size` bytes have been written, or are given up.
    package mutating func consume(_ size: Int) {
        count -= size
        var left = size
        while let first = full.first {
            let length = first.end - first.start
            guard left >= length else {
                full[0].start += left
                return
            }
            left -= length
            recycle(full.removeFirst())
        }
        tail.start += left
        if tail.start == tail.end {
            tail.start = 0
            tail.end = 0
        }
    }
}
