// Reading: as much as is there, when something is there.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// Waits until something can be read, and returns it: at least one byte and at most `limit`, or nothing at the end of the stream.
    ///
    ///     while case let chunk = try await AsyncFD.standardInput.read(upTo: 65_536), !chunk.isEmpty { … }
    ///
    /// One task at a time may read from a descriptor.
    ///
    /// - Throws: `IOError`; `.cancelled` at once when the task is cancelled, without losing a byte; `.busy` if another task is reading.
    public func read(upTo limit: Int) async throws(IOError) -> [UInt8] {
        precondition(limit > 0, "a read of \(limit) bytes could not tell the end of the stream from nothing")
        return try await onLoop("read") { descriptor async throws(IOError) in try await descriptor.readHere(upTo: limit) }
    }

    private func readHere(upTo limit: Int) async throws(IOError) -> [UInt8] {
        if isClosed { throw IOError("read", on: label, .closed) }
        while true {
            var outcome = IOOutcome.wouldBlock
            if isOffloaded(.read) {
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: limit, alignment: 16)
                defer { buffer.deallocate() }
                outcome = await moveOffLoop(.read, iovec(iov_base: buffer.baseAddress, iov_len: limit))
                if case .bytes(let count) = outcome { return [UInt8](buffer[..<count]) }
            } else {
                let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                    var vector = iovec(iov_base: buffer.baseAddress, iov_len: limit)
                    outcome = withUnsafePointer(to: &vector) { moveNow(.read, Vectors(start: $0, count: 1)) }
                    if case .bytes(let moved) = outcome { count = moved }
                }
                if case .bytes = outcome { return bytes }
            }
            switch outcome {
            case .wouldBlock: try await wait(.read, "read")
            // A terminal whose other side has gone says EIO where a pipe says nothing: both are the end.
            case .failed(.ioError) where kind == .terminal: return []
            case .failed(let errno): throw isClosed ? IOError("read", on: label, .closed) : IOError("read", on: label, errno)
            case .bytes: break
            }
        }
    }
}
