// What only regular files have: positions, a size, a disk. All of these calls are made off the loop.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Reads at `offset`, without using or moving the position: at most `limit` bytes, none at the end of the file.
    ///
    /// Any number of tasks may do so at the same time.
    public func read(at offset: Int64, upTo limit: Int) async throws(IOError) -> [UInt8] {
        precondition(limit > 0, "read: limit must be at least 1")
        return try await onLoop("read") { descriptor async throws(IOError) in
            let memory = SendableMemory(.allocate(byteCount: limit, alignment: 16))
            defer { memory.bytes.deallocate() }
            let outcome = try await descriptor.call("read") { number in
                withUnsafePointer(to: iovec(iov_base: memory.bytes.baseAddress, iov_len: limit)) {
                    Syscalls.read(number, Vectors(start: $0, count: 1), at: offset)
                }
            }
            return [UInt8](memory.bytes[..<(try descriptor.count(outcome, "read"))])
        }
    }

    /// Writes all of `bytes` at `offset`, without using or moving the position. (To a file opened with `.append` the
    /// kernel appends nevertheless: pwrite(2).) Writes at different offsets may be under way at the same time, in no
    /// order.
    ///
    /// - Throws: `IOError`; its `bytesWritten` says how many bytes were written before. A write that has begun is not
    ///   cancelled.
    public func write(_ bytes: RawSpan, at offset: Int64) async throws(IOError) {
        // The span outlives this function, and with it every use of the pointer.
        let memory = unsafe bytes.withUnsafeBytes { unsafe SendableBytes($0) }
        try await onLoop("write") { descriptor async throws(IOError) in
            var written = 0
            while written < memory.bytes.count {
                let from = written
                do throws(IOError) {
                    let outcome = try await descriptor.call("write") { number in
                        let rest = UnsafeRawBufferPointer(rebasing: memory.bytes[from...])
                        let vector = iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: rest.baseAddress), iov_len: rest.count)
                        return withUnsafePointer(to: vector) {
                            Syscalls.write(number, Vectors(start: $0, count: 1), at: offset + Int64(from))
                        }
                    }
                    written += try descriptor.count(outcome, "write")
                } catch {
                    var error = error
                    error.bytesWritten = written
                    throw error
                }
            }
        }
    }

    /// Writes all bytes of the array at `offset`.
    public func write(_ bytes: [UInt8], at offset: Int64) async throws(IOError) {
        try await write(bytes.span.bytes, at: offset)
    }

    /// Where the next `read` or `write` happens, in bytes from the beginning of the file.
    public var position: Int64 {
        get async throws(IOError) {
            try await onLoop("lseek") { descriptor async throws(IOError) in
                let position = try await descriptor.result("lseek") { Syscalls.seek($0, 0, SEEK_CUR) }
                return position - Int64(descriptor.input.count)
            }
        }
    }

    /// Moves the position. Returns the new one.
    ///
    /// - Parameter origin: what `offset` is counted from.
    @discardableResult
    public func seek(to offset: Int64, from origin: FileDescriptor.SeekOrigin = .start) async throws(IOError) -> Int64 {
        try await reading { descriptor async throws(IOError) in
            // What was read ahead is behind the caller's position.
            let offset = origin == .current ? offset - Int64(descriptor.input.count) : offset
            let position = try await descriptor.result("lseek") { Syscalls.seek($0, offset, origin.rawValue) }
            descriptor.input.free()
            return position
        }
    }

    /// The file's size in bytes.
    public var size: Int64 {
        get async throws(IOError) {
            try await onLoop("fstat") { descriptor async throws(IOError) in
                return Int64(try await descriptor.result("fstat") { Syscalls.status($0).map(\.st_size) })
            }
        }
    }

    /// Makes the file `size` bytes long: cuts it, or extends it with zeros.
    public func truncate(to size: Int64) async throws(IOError) {
        try await onLoop("ftruncate") { descriptor async throws(IOError) in
            if let errno = try await descriptor.call("ftruncate", { Syscalls.truncate($0, size) }) {
                throw IOError("ftruncate", on: descriptor.label, errno)
            }
        }
    }

    /// How much of a file `sync` waits for.
    public enum Durability: Sendable {
        /// The bytes, and what is needed to find them again: fdatasync(2).
        case data
        /// Times and permissions, too: fsync(2).
        case full
    }

    /// Waits until what has been written is on the disk.
    ///
    /// - Throws: `IOError`. After a failure the kernel may have dropped what it could not write; calling again proves
    ///   nothing (fsync(2)).
    public func sync(_ durability: Durability = .full) async throws(IOError) {
        try await onLoop("fsync") { descriptor async throws(IOError) in
            let operation = durability == .data ? "fdatasync" : "fsync"
            if let errno = try await descriptor.call(operation, { Syscalls.sync($0, dataOnly: durability == .data) }) {
                throw IOError(operation, on: descriptor.label, errno)
            }
        }
    }

    // MARK: Loop thread

    /// A call on another thread, for an open descriptor and a task that is not cancelled.
    private func call<Value: Sendable>(_ operation: String, _ body: @escaping @Sendable (CInt) -> Value)
        async throws(IOError) -> Value
    {
        if isClosed { throw IOError(operation, on: label, .closed) }
        if Task.isCancelled { throw IOError(operation, on: label, .cancelled) }
        return await offloadIO(body)
    }

    private func result<Value: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (CInt) -> Result<Value, Errno>
    ) async throws(IOError)
        -> Value
    {
        switch try await call(operation, body) {
        case .success(let value): return value
        case .failure(let errno): throw IOError(operation, on: label, errno)
        }
    }

    private func count(_ outcome: IOOutcome, _ operation: String) throws(IOError) -> Int {
        switch outcome {
        case .bytes(let count): return count
        case .wouldBlock: throw IOError(operation, on: label, .resourceTemporarilyUnavailable)
        case .failed(let errno): throw IOError(operation, on: label, errno)
        }
    }
}
