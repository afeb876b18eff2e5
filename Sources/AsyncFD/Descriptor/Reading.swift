// Reading: what is available, an exact number of bytes, or everything to the end.
//
// One task at a time reads. Bytes that were read ahead stay in the descriptor's `InputBuffer`, for the next read of any
// kind.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Waits until bytes can be read, and returns them: at least one and at most `limit`, or none at the end of the
    /// stream.
    ///
    ///     while case let chunk = try await AsyncFD.standardInput.read(upTo: 65_536), !chunk.isEmpty { … }
    ///
    /// - Throws: `IOError`; `.cancelled` at once when the task is cancelled, without losing a byte; `.busy` if another
    ///   task is reading.
    public func read(upTo limit: Int) async throws(IOError) -> [UInt8] {
        precondition(limit > 0, "read: limit must be at least 1")
        if loop.isCurrent { return try await readHere(upTo: limit) }
        return try await onLoop("read") { descriptor async throws(IOError) in try await descriptor.readHere(upTo: limit)
        }
    }

    @inline(__always)  // each asynchronous function on the way costs as much as the rest of what stands here
    private func readHere(upTo limit: Int) async throws(IOError) -> [UInt8] {
        try beginReading()
        defer { isBeingRead = false }
        if !input.isEmpty { return input.take(min(limit, input.count)) }
        if loop.shouldYield() { await Task.yield() }
        while true {
            let bytes =
                awaitsFirstByte || isOffloaded(.read) ? try await attemptRead(upTo: limit) : try readNow(upTo: limit)
            if let bytes { return bytes }
            try await wait(.read, "read")
        }
    }

    /// One read that does not wait, into memory that all reads of this thread share, so that an idle connection holds
    /// none. Nil: no bytes yet, wait.
    private func readNow(upTo limit: Int) throws(IOError) -> [UInt8]? {
        let memory = UnsafeMutableRawBufferPointer(start: cfd_read_buffer(), count: Int(cfd_read_buffer_size))
        guard let count = try readNow(UnsafeMutableRawBufferPointer(rebasing: memory[..<min(limit, memory.count)]))
        else { return nil }
        return [UInt8](UnsafeRawBufferPointer(rebasing: memory[..<count]))
    }

    /// One read that does not wait. Nil: no bytes yet, wait.
    @inline(__always)
    private func readNow(_ memory: UnsafeMutableRawBufferPointer) throws(IOError) -> Int? {
        if isClosed { throw IOError("read", on: label, .closed) }
        var vector = iovec(iov_base: memory.baseAddress, iov_len: memory.count)
        return try count(of: withUnsafePointer(to: &vector) { moveNow(.read, Vectors(start: $0, count: 1)) })
    }

    @inline(__always)
    private func count(of outcome: IOOutcome) throws(IOError) -> Int? {
        switch outcome {
        case .bytes(let count): return count
        case .wouldBlock: return nil
        // When the other side is closed, a terminal returns EIO and a pipe returns 0: both are the end.
        case .failed(.ioError) where kind == .terminal: return 0
        case .failed(let errno):
            throw isClosed ? IOError("read", on: label, .closed) : IOError("read", on: label, errno)
        }
    }

    /// Reads into the caller's memory: waits until something can be read, and returns how many bytes were stored at the
    /// beginning of `buffer`; 0 at the end of the stream. No allocation, no copy.
    ///
    /// - Precondition: `buffer` is not empty.
    /// - Throws: as `read(upTo:)`.
    public func read(into buffer: inout MutableRawSpan) async throws(IOError) -> Int {
        precondition(!buffer.isEmpty, "read: buffer must have at least one byte")
        // The span is the caller's until this function returns, and with it every use of the pointer.
        let memory = unsafe buffer.withUnsafeMutableBytes { unsafe SendableMemory($0) }
        if loop.isCurrent { return try await readHereAlone(memory.bytes) }
        return try await reading { descriptor async throws(IOError) in try await descriptor.readHere(memory.bytes) }
    }

    /// Reads into the free part of the caller's memory, behind what is there. Returns how many bytes were appended; 0
    /// at the end of the stream.
    ///
    /// - Precondition: `buffer` is not full.
    /// - Throws: as `read(upTo:)`.
    public func read(into buffer: inout OutputRawSpan) async throws(IOError) -> Int {
        precondition(!buffer.isFull, "read: buffer must have room for at least one byte")
        // The span is the caller's until this function returns, and with it every use of the pointer.
        let memory = unsafe buffer.withUnsafeMutableBytes { bytes, initialized in
            unsafe SendableMemory(UnsafeMutableRawBufferPointer(rebasing: bytes[initialized...]))
        }
        let count: Int
        if loop.isCurrent {
            count = try await readHereAlone(memory.bytes)
        } else {
            count = try await reading { descriptor async throws(IOError) in try await descriptor.readHere(memory.bytes)
            }
        }
        unsafe buffer.withUnsafeMutableBytes { _, initialized in initialized += count }
        return count
    }

    /// Reads exactly `count` bytes.
    ///
    /// - Throws: `.endOfStream` if the stream ends before; after any error, the bytes that came are kept, and are the
    ///   next to be read.
    public func read(exactly count: Int) async throws(IOError) -> [UInt8] {
        precondition(count >= 0, "read: count must be at least 0")
        return try await reading { descriptor async throws(IOError) in
            while descriptor.input.count < count {
                guard try await descriptor.fillInput(atLeast: count - descriptor.input.count) else {
                    throw IOError("read", on: descriptor.label, .endOfStream)
                }
            }
            return descriptor.input.take(count)
        }
    }

    /// Reads everything up to the end of the stream.
    ///
    /// - Parameter limit: how many bytes there may be, at most.
    /// - Throws: `.tooLong` if there are more; after any error, the bytes that came are kept, and are the next to be
    ///   read.
    public func readToEnd(limit: Int) async throws(IOError) -> [UInt8] {
        try await reading { descriptor async throws(IOError) in
            repeat {
                if descriptor.input.count > limit { throw IOError("read", on: descriptor.label, .tooLong) }
            } while try await descriptor.fillInput()
            return descriptor.input.take(descriptor.input.count)
        }
    }

    // MARK: Loop thread

    /// Makes the caller the one reader, on the loop.
    func reading<Value: Sendable>(_ body: @escaping @Sendable (AsyncFD) async throws(IOError) -> Value)
        async throws(IOError) -> Value
    {
        try await onLoop("read") { descriptor async throws(IOError) in
            try descriptor.beginReading()
            defer { descriptor.isBeingRead = false }
            return try await body(descriptor)
        }
    }

    private func beginReading() throws(IOError) {
        if isClosed { throw IOError("read", on: label, .closed) }
        if isBeingRead { throw IOError("read", on: label, .busy) }
        isBeingRead = true
    }

    private func readHereAlone(_ memory: UnsafeMutableRawBufferPointer) async throws(IOError) -> Int {
        try beginReading()
        defer { isBeingRead = false }
        return try await readHere(memory)
    }

    private func readHere(_ memory: UnsafeMutableRawBufferPointer) async throws(IOError) -> Int {
        if !input.isEmpty { return input.take(into: memory) }
        return try await readSome(memory)
    }

    /// Reads more behind what is there; false at the end of the stream.
    func fillInput(atLeast size: Int = 0) async throws(IOError) -> Bool {
        let room = input.room(atLeast: min(size, 1 << 20))
        let count = try await readSome(room)
        input.fill(count, of: room.count)
        return count > 0
    }

    /// One read from the kernel, which waits. The memory stays valid until this returns.
    private func readSome(_ memory: UnsafeMutableRawBufferPointer) async throws(IOError) -> Int {
        if loop.shouldYield() { await Task.yield() }
        while true {
            let count = awaitsFirstByte || isOffloaded(.read) ? try await attemptRead(memory) : try readNow(memory)
            if let count { return count }
            try await wait(.read, "read")
        }
    }

    /// One read from the kernel. Nil: no bytes yet, wait.
    private func attemptRead(_ memory: UnsafeMutableRawBufferPointer) async throws(IOError) -> Int? {
        if isClosed { throw IOError("read", on: label, .closed) }
        var vector = iovec(iov_base: memory.baseAddress, iov_len: memory.count)
        let outcome: IOOutcome
        if awaitsFirstByte {
            // The registration's first edge comes with the first byte, or with the last writer's end.
            _ = try registration(for: .read)
            awaitsFirstByte = false
            outcome = .wouldBlock
        } else if isOffloaded(.read) {
            if Task.isCancelled { throw IOError("read", on: label, .cancelled) }
            outcome = await moveOffLoop(.read, vector)
        } else {
            outcome = withUnsafePointer(to: &vector) { moveNow(.read, Vectors(start: $0, count: 1)) }
        }
        return try count(of: outcome)
    }

    /// The same.
    private func attemptRead(upTo limit: Int) async throws(IOError) -> [UInt8]? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 16)
        defer { memory.deallocate() }
        guard let count = try await attemptRead(memory) else { return nil }
        return [UInt8](memory[..<count])
    }
}

/// Memory that the caller keeps valid and does not touch until the call is over.
struct SendableMemory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }
}
