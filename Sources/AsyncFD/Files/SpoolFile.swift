// The file in which records wait for a connection, so that they outlive the program. What stands in it:
// SpoolFormat.swift.
//
// The process that has the file open holds a lock on it. Records are appended by one descriptor and read by another.
// What was begun and not finished when the program or the machine went down is cut off when the file is opened. When
// all has been sent the file is emptied.
//
// The file is its owner's alone: what others could write there, they could have sent in the program's name.
import EventLoop
import Glibc
import Synchronization
import SystemPackage

/// Every function blocks: for a thread of the pool. Closed, and so unlocked, with the last reference: a call that is
/// still being made on another thread never finds another file under the number.
package final class SpoolFile: Sendable {
    /// A crash handler writes no more than the buffers held; what is more is damage.
    private static let mostUnchecked = 64 << 20

    private let path: String
    /// The first word or two of the file: whose it is.
    private let title: String
    let number: CInt
    /// For appending; the caller of `open` owns it.
    package let tail: CInt
    private let endOfFile = Atomic<Int>(SpoolFormat.headerSize)
    let nextNumber = Atomic<UInt64>(1)

    /// Where the last record ends that has been appended whole. Any thread.
    package var end: Int { endOfFile.load(ordering: .acquiring) }

    private init(path: String, title: String, number: CInt, tail: CInt) {
        self.path = path
        self.title = title
        self.number = number
        self.tail = tail
    }

    deinit { Syscalls.close(number) }

    // MARK: Opening

    /// What was found.
    package struct Contents: Sendable {
        package let file: SpoolFile
        /// Records to be sent stand from here on.
        package let head: Int
        /// The number of the first of them.
        package let number: UInt64
        /// So many bytes behind them were a torn record, and have been cut off.
        package let torn: Int
        /// What had been sent before is not known, and is sent once more.
        package let isHeaderDamaged: Bool
    }

    /// Opens the file, or makes it with mode 600. Fails with EAGAIN if another process, or another handler, has it
    /// open; with ELOOP if it is a symbolic link; with `.notPrivate` if it is not the user's alone.
    package static func open(_ path: String, title: String, _ bounds: FrameBounds) -> Result<Contents, IOError> {
        do throws(IOError) {
            let number = try get(
                "open", path, Syscalls.openFile(FilePath(path), O_RDWR | O_CREAT, 0o600, followingLink: false))
            let tail: CInt
            do throws(IOError) {
                tail = try claim(number, path)
            } catch {
                Syscalls.close(number)
                throw error
            }
            let file = SpoolFile(path: path, title: title, number: number, tail: tail)
            do throws(IOError) { return .success(try file.examine(bounds)) } catch {
                Syscalls.close(tail)
                throw error
            }
        } catch {
            return .failure(error)
        }
    }

    /// Makes sure of whose the file is, locks it, and opens its end.
    private static func claim(_ number: CInt, _ path: String) throws(IOError) -> CInt {
        let status = try get("fstat", path, Syscalls.status(number))
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IOError("open", on: "\"\(path)\"", Errno.invalidArgument)
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o7777, radix: 8)
            throw IOError("open", on: "\"\(path)\" (owner \(status.st_uid), mode \(mode))", .notPrivate)
        }
        if let errno = Syscalls.lock(number) { throw IOError("lock", on: "\"\(path)\"", errno) }
        let tail = try get(
            "open", path, Syscalls.openFile(FilePath(path), O_WRONLY | O_APPEND, 0, followingLink: false))
        guard case .success(let same) = Syscalls.status(tail), same.st_ino == status.st_ino,
            same.st_dev == status.st_dev
        else {
            // Another process has put another file in its place in this very moment.
            Syscalls.close(tail)
            throw IOError("open", on: "\"\(path)\"", Errno.staleNFSFileHandle)
        }
        return tail
    }

    private func examine(_ bounds: FrameBounds) throws(IOError) -> Contents {
        let size = try size()
        let header = try read(at: 0, upTo: SpoolFormat.headerSize)
        let found = SpoolFormat.readHeader(header, title)
        if size == 0 || SpoolFormat.isBegun(header, title) {
            try clear()
            return Contents(file: self, head: end, number: 1, torn: size, isHeaderDamaged: false)
        }
        // A head behind the end: a crash came while the file was emptied.
        let head = min(found?.head ?? SpoolFormat.headerSize, max(size, SpoolFormat.headerSize))
        var position = min(head, size)
        // A mark behind the header, or before the first record that has not been sent.
        var (lastEnd, expected) = (position, found?.number ?? 0)
        var isBehindMark = true
        var first: UInt64?
        while position < size {
            let batch = try records(from: position, to: size, expecting: expected)
            first = first ?? batch.records.first?.number
            if let last = batch.lastEnd { (lastEnd, isBehindMark) = (last, batch.endsWithMark) }
            (position, expected) = (batch.end, batch.expected)
        }
        // A file with neither the header of a spool nor a record of one is no spool.
        guard found != nil || first != nil else { throw error("open", .invalidArgument) }
        nextNumber.store(max(1, expected), ordering: .relaxed)
        let torn = try adoptUnchecked(lastEnd, size, isBehindMark ? bounds : nil)
        return Contents(
            file: self, head: min(head, end), number: found?.number ?? first ?? 1, torn: torn,
            isHeaderDamaged: found == nil)
    }

    /// What stands behind the last mark is a crash handler's, or a torn record; with nil for `bounds` it is damage.
    /// Returns how many bytes were cut off.
    private func adoptUnchecked(_ start: Int, _ size: Int, _ bounds: FrameBounds?) throws(IOError) -> Int {
        endOfFile.store(start, ordering: .releasing)
        guard start < size else { return 0 }
        let bytes = try read(at: start, upTo: min(size - start, Self.mostUnchecked))
        if let errno = Syscalls.truncate(number, Int64(start)) { throw error("truncate", errno) }
        let outcome = bytes.withUnsafeBytes { bytes in
            let lengths = bounds?.frames(bytes) ?? []
            let piece = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: lengths.reduce(0, +))
            return lengths.isEmpty
                ? .bytes(0) : withUnsafePointer(to: piece) { append(Vectors(start: $0, count: 1), lengths) }
        }
        switch outcome {
        case .bytes(let whole): return size - start - whole
        case .failed(let errno): throw error("write", errno)
        case .wouldBlock: throw error("write", .resourceTemporarilyUnavailable)
        }
    }

    private func size() throws(IOError) -> Int { Int(try Self.get("fstat", path, Syscalls.status(number)).st_size) }

    // MARK: Appending

    /// Appends records, which `pieces` hold one behind the other, and a mark. All or none of them. ESTALE: the file has
    /// been removed, and the next run of the program would not find what was appended.
    package func append(_ pieces: Vectors, _ lengths: [Int]) -> IOOutcome {
        let first = nextNumber.load(ordering: .relaxed)
        let status: stat
        switch Syscalls.status(number) {
        case .success(let now): status = now
        case .failure(let errno): return .failed(errno)
        }
        guard status.st_nlink > 0 else { return .failed(.staleNFSFileHandle) }
        let total = lengths.reduce(0, +)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(total + (lengths.count + 1) * SpoolFormat.recordHeaderSize)
        let payload = [UInt8](unsafeUninitializedCapacity: total) { buffer, filled in
            for piece in pieces where filled < total {
                let count = min(piece.iov_len, total - filled)
                (buffer.baseAddress! + filled).update(
                    from: piece.iov_base!.assumingMemoryBound(to: UInt8.self), count: count)
                filled += count
            }
        }
        payload.withUnsafeBytes { payload in
            var start = 0
            for (index, length) in lengths.enumerated() {
                SpoolFormat.append(
                    to: &bytes, number: first + UInt64(index),
                    UnsafeRawBufferPointer(rebasing: payload[start..<start + length]))
                start += length
            }
            SpoolFormat.append(
                to: &bytes, number: first + UInt64(lengths.count), UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if let errno = writeAll(bytes) ?? (isRemoved ? .staleNFSFileHandle : nil) {
            // What is there in part would only be found damaged later.
            _ = Syscalls.truncate(number, Int64(status.st_size))
            return .failed(errno)
        }
        nextNumber.store(first + UInt64(lengths.count), ordering: .relaxed)
        endOfFile.store(Int(status.st_size) + bytes.count, ordering: .releasing)
        return .bytes(total)
    }

    /// The file has no name any more.
    package var isRemoved: Bool {
        if case .success(let status) = Syscalls.status(number) { status.st_nlink == 0 } else { false }
    }

    /// How many records from `head` on, which is where the record `number` stands, are lost to the next run of the
    /// program, because the file has been removed.
    package func unreachable(from head: Int, _ number: UInt64) -> UInt64 {
        let next = nextNumber.load(ordering: .relaxed)
        return head < end && next > number && isRemoved ? next - max(1, number) : 0
    }

    private func writeAll(_ bytes: [UInt8]) -> Errno? {
        bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let rest = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress! + written),
                    iov_len: bytes.count - written)
                switch withUnsafePointer(to: rest, { Syscalls.write(tail, Vectors(start: $0, count: 1)) }) {
                case .bytes(0): return .ioError
                case .bytes(let count): written += count
                case .wouldBlock: return .resourceTemporarilyUnavailable
                case .failed(let errno): return errno
                }
            }
            return nil
        }
    }

    // MARK: The header

    /// Notes that what stands before `head` has been sent; `number` is that of the record there.
    package func setHead(_ head: Int, _ number: UInt64) throws(IOError) {
        try write(SpoolFormat.header(title, head: head, number: number))
    }

    /// Empties the file.
    package func clear() throws(IOError) {
        // In this order: a crash between the two leaves a head behind the end, which is an empty spool, too.
        if let errno = Syscalls.truncate(number, Int64(min(SpoolFormat.headerSize, try size()))) {
            throw error("truncate", errno)
        }
        let next = nextNumber.load(ordering: .relaxed)
        var bytes = SpoolFormat.header(title, head: SpoolFormat.headerSize, number: next)
        SpoolFormat.append(to: &bytes, number: next, UnsafeRawBufferPointer(start: nil, count: 0))
        try write(bytes)
        endOfFile.store(SpoolFormat.headerSize, ordering: .releasing)
    }

    private func write(_ header: [UInt8]) throws(IOError) {
        let outcome = header.withUnsafeBytes { header in
            let vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: header.baseAddress), iov_len: header.count)
            return withUnsafePointer(to: vector) { Syscalls.write(number, Vectors(start: $0, count: 1), at: 0) }
        }
        switch outcome {
        case .bytes(header.count): break
        case .bytes, .wouldBlock: throw error("write", .ioError)
        case .failed(let errno): throw error("write", errno)
        }
    }

    /// Releases the file's lock, even if other code still holds this object.
    package func unlock() { Syscalls.unlock(number) }

    func error(_ operation: String, _ errno: Errno) -> IOError { IOError(operation, on: "\"\(path)\"", errno) }

    private static func get<Value>(_ operation: String, _ path: String, _ result: Result<Value, Errno>) throws(IOError)
        -> Value
    {
        switch result {
        case .success(let value): return value
        case .failure(let errno): throw IOError(operation, on: "\"\(path)\"", errno)
        }
    }
}

extension AsyncFD {
    /// The file's end, to append to. The caller closes it.
    package convenience init(spool: SpoolFile, label: String) {
        self.init(FileDescriptor(rawValue: spool.tail), owns: true, label: label, isOurs: true, kind: .file)
    }
}
