// Writing: whole, in order, and with a cursor that short writes advance.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Writes all of `bytes`, in order, after what other tasks are already writing to this descriptor.
    ///
    /// Never blocks the loop: when the kernel takes no more, the task suspends until it does. The descriptor's flags
    /// are not changed (`pwritev2(2)` with `RWF_NOWAIT`, `sendmsg(2)` with `MSG_DONTWAIT`, …, by its kind); a regular
    /// file is written on another thread.
    ///
    /// - Throws: `IOError` with `.brokenPipe`, `.noSpace`, …; its `bytesWritten` says how many bytes the kernel took
    ///   before. `.cancelled` likewise.
    /// - Complexity: one system call per readiness; no copy.
    public func write(_ bytes: RawSpan) async throws(IOError) {
        // The span outlives this function, and with it every use of the pointer.
        let memory = unsafe bytes.withUnsafeBytes { unsafe SendableBytes($0) }
        try await write(memory)
    }

    @inline(__always)  // see `readHere`
    private func write(_ memory: SendableBytes) async throws(IOError) {
        guard loop.isCurrent else {
            return try await onLoop("write") { descriptor async throws(IOError) in
                try await descriptor.writeHere(memory.bytes)
            }
        }
        if isClosed || memory.bytes.isEmpty || !batchWriters.isEmpty || kind == .file || isOffloaded(.write)
            || !writers.enter(self)
        {
            try await writeHere(memory.bytes)
        } else {
            let begun = try writeNow(memory.bytes)
            if begun == memory.bytes.count { leaveTurn() } else { try await writeRest(memory.bytes, from: begun) }
        }
        if loop.shouldYield() { await Task.yield() }
    }

    /// Writes what can be written without waiting; returns how many bytes. The caller has the turn; it is released if
    /// this throws.
    private func writeNow(_ bytes: UnsafeRawBufferPointer) throws(IOError) -> Int {
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        switch withUnsafePointer(to: &vector, { moveNow(.write, Vectors(start: $0, count: 1)) }) {
        case .bytes(let count): return count
        case .wouldBlock: return 0
        case .failed(let errno):
            leaveTurn()
            throw IOError("write", on: label, errno)
        }
    }

    /// Writes all bytes of the array.
    public func write(_ bytes: [UInt8]) async throws(IOError) {
        // The array is the caller's until this function returns, and with it every use of the pointer.
        let memory = unsafe bytes.span.bytes.withUnsafeBytes { unsafe SendableBytes($0) }
        try await write(memory)
    }

    /// Writes the string in UTF-8.
    public func write(_ string: String) async throws(IOError) {
        var string = string
        string.makeContiguousUTF8()
        try await write(string.utf8Span.span.bytes)
    }

    /// Writes all of several buffers, one behind the other, as one write: `writev(2)`.
    ///
    ///     try await descriptor.write([header, body])
    ///
    /// - Throws: as `write(_:)`; `bytesWritten` counts over all buffers.
    public func write(_ buffers: [[UInt8]]) async throws(IOError) {
        try await onLoop("write") { descriptor async throws(IOError) in try await descriptor.writeHere(buffers) }
    }

    private func writeHere(_ bytes: UnsafeRawBufferPointer) async throws(IOError) {
        pushBatchWriters()
        if kind == .file {
            if isClosed { throw IOError("write", on: label, .closed) }
            return try await writeToFile(bytes)
        }
        try await takeTurn()
        try await writeRest(bytes, from: 0)
    }

    /// Writes the rest. The caller has the turn; this releases it.
    private func writeRest(_ bytes: UnsafeRawBufferPointer, from begun: Int) async throws(IOError) {
        defer { leaveTurn() }
        var written = begun
        while written < bytes.count {
            do throws(IOError) {
                written += try await writeSome(UnsafeRawBufferPointer(rebasing: bytes[written...]))
            } catch {
                var error = error
                error.bytesWritten = written
                throw error
            }
        }
    }

    private func writeHere(_ buffers: [[UInt8]]) async throws(IOError) {
        // Few or small: one copy is cheaper than a list. A file's writes are gathered anyway.
        let size = buffers.reduce(0) { $0 + $1.count }
        guard kind != .file, size > 4096, !isOffloaded(.write) else {
            let joined = Array(buffers.joined())
            let memory = unsafe joined.span.bytes.withUnsafeBytes { unsafe SendableBytes($0) }
            defer { withExtendedLifetime(joined) {} }
            return try await writeHere(memory.bytes)
        }
        pushBatchWriters()
        try await takeTurn()
        defer { leaveTurn() }

        var cursor = VectorCursor(buffers)
        while !cursor.isAtEnd {
            switch cursor.withVectors({ moveNow(.write, $0) }) {
            case .bytes(let count): cursor.advance(count)
            case .failed(let errno):
                var error = isClosed ? IOError("write", on: label, .closed) : IOError("write", on: label, errno)
                error.bytesWritten = cursor.position
                throw error
            case .wouldBlock:
                do throws(IOError) {
                    try await wait(.write, "write")
                } catch {
                    var error = error
                    error.bytesWritten = cursor.position
                    throw error
                }
            }
        }
    }

    /// Starts writing what was printed or logged here before: it comes first.
    func pushBatchWriters() {
        for writer in batchWriters { writer.pushOut() }
    }

    /// Waits until no other writer has the turn.
    func takeTurn() async throws(IOError) {
        if isClosed { throw IOError("write", on: label, .closed) }
        let writers = writers
        if writers.enter(self) { return }
        let ticket = writers.nextTicket
        let wake: Wake = await parkTask { continuation in
            guard !Task.isCancelled else {
                writers.skip()
                return continuation.resume(returning: .cancelled)
            }
            writers.wait(self, .task(continuation))
        } onCancel: { [loop] in
            loop.perform { writers.cancel(ticket)?.resume(.cancelled) }
        }
        switch wake {
        case .ready, .busy: return
        case .cancelled: throw IOError("write", on: label, .cancelled)
        case .closed: throw IOError("write", on: label, .closed)
        }
    }

    /// Writes at least a byte.
    func writeSome(_ bytes: UnsafeRawBufferPointer) async throws(IOError) -> Int {
        var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        while true {
            let outcome: IOOutcome
            if isClosed {
                outcome = .failed(.badFileDescriptor)
            } else if isOffloaded(.write) {
                vector.iov_len = min(bytes.count, offloadLimit(.write))
                outcome = vector.iov_len > 0 ? await moveOffLoop(.write, vector) : .wouldBlock
            } else {
                outcome = withUnsafePointer(to: &vector) { moveNow(.write, Vectors(start: $0, count: 1)) }
            }
            switch outcome {
            case .bytes(let count): return count
            case .failed(let errno):
                throw isClosed ? IOError("write", on: label, .closed) : IOError("write", on: label, errno)
            case .wouldBlock: try await wait(.write, "write")
            }
        }
    }
}

/// The position of a write of several buffers.
private struct VectorCursor {
    private let buffers: [[UInt8]]
    private var index = 0
    private var offset = 0
    private(set) var position = 0
    /// IOV_MAX is 1024; more than a pipe or a socket buffer holds is never taken at once.
    private static let mostVectors = 64

    init(_ buffers: [[UInt8]]) {
        self.buffers = buffers
        advance(0)
    }

    var isAtEnd: Bool { index == buffers.count }

    mutating func advance(_ count: Int) {
        position += count
        offset += count
        while index < buffers.count, offset >= buffers[index].count {
            offset -= buffers[index].count
            index += 1
        }
    }

    /// The pointers are valid within `body`.
    func withVectors<Result>(_ body: (Vectors) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.mostVectors) { vectors in
            fill(vectors, 0, body)
        }
    }

    private func fill<Result>(_ vectors: UnsafeMutableBufferPointer<iovec>, _ count: Int, _ body: (Vectors) -> Result)
        -> Result
    {
        let next = index + count
        guard next < buffers.count, count < vectors.count else { return body(Vectors(rebasing: vectors[..<count])) }
        return buffers[next].withUnsafeBytes { bytes in
            let skipped = count == 0 ? offset : 0
            vectors[count] = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress).map { $0 + skipped },
                iov_len: bytes.count - skipped)
            return fill(vectors, count + 1, body)
        }
    }
}

/// Memory that the caller keeps valid and untouched until the call is over.
struct SendableBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
}
