// The file in which records wait for a connection, so that they outlive the program.
//
//     asynclog spool 1 head 00000000000000004711\n      64 bytes; what stands before the head has been sent
//     record record record …                            as they go over the wire, each with its frame
//
// Whoever has the file open holds a lock on it. Records are appended by one descriptor and read by another. What was begun and not finished when the
// program or the machine went down has no end of a frame; it is cut off when the file is opened. When all has been sent the file is emptied.
import EventLoop
import Glibc
import SystemPackage

/// How one record in a stream is told from the next.
package enum FrameBounds: Sendable {
    /// By a line feed.
    case newline
    /// By its length: digits, a blank, as many bytes.
    case octetCounting

    /// The lengths of the whole frames at the beginning of `bytes`. `isBroken`: what follows them is no beginning of a frame.
    package func frames(_ bytes: UnsafeRawBufferPointer) -> (lengths: [Int], isBroken: Bool) {
        var lengths: [Int] = []
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            switch self {
            case .newline:
                guard let end = memchr(rest.baseAddress!, 10, rest.count) else { return (lengths, false) }
                lengths.append(UnsafeRawPointer(end) - rest.baseAddress! + 1)
            case .octetCounting:
                let digits = rest.prefix(10).prefix { (48...57).contains($0) }.count
                guard digits < rest.count else { return (lengths, digits > 9) }
                guard digits > 0, rest[digits] == 32 else { return (lengths, true) }
                let length = digits + 1 + rest[..<digits].reduce(0) { $0 * 10 + Int($1 - 48) }
                guard length <= rest.count else { return (lengths, false) }
                lengths.append(length)
            }
            start += lengths.last!
        }
        return (lengths, false)
    }
}

/// Every function blocks: for a thread of the pool. Closed, and so unlocked, when the last who uses it lets go: a call that is still being made on another
/// thread never finds a stranger's file under the number.
package final class SpoolFile: Sendable {
    package static let headerSize = 64
    private static let pieceSize = 65_536

    private let path: String
    private let number: CInt
    /// For appending; the caller of `open` owns it.
    package let tail: CInt

    private init(path: String, number: CInt, tail: CInt) {
        self.path = path
        self.number = number
        self.tail = tail
    }

    deinit { Syscalls.close(number) }

    /// What was found.
    package struct Contents: Sendable {
        package let file: SpoolFile
        /// Records to be sent stand from here to `end`.
        package let head: Int
        package let end: Int
        /// So many bytes behind them were a torn record, and have been cut off.
        package let torn: Int
    }

    /// Opens the file, or makes it, for nobody but its owner. Fails with EAGAIN if another process, or another handler, has it open.
    package static func open(_ path: String, _ bounds: FrameBounds) -> Result<Contents, IOError> {
        func failure(_ operation: String, _ errno: Errno) -> Result<Contents, IOError> { .failure(IOError(operation, on: "\"\(path)\"", errno)) }
        let number: CInt
        switch Syscalls.open(FilePath(path), O_RDWR | O_CREAT, 0o600) {
        case .success(let opened): number = opened
        case .failure(let errno): return failure("open", errno)
        }
        if let errno = Syscalls.lock(number) {
            Syscalls.close(number)
            return failure("lock", errno)
        }
        switch Syscalls.open(FilePath(path), O_WRONLY | O_APPEND, 0) {
        case .success(let tail):
            let file = SpoolFile(path: path, number: number, tail: tail)
            let result = file.examine(bounds)
            if case .failure = result { Syscalls.close(tail) }
            return result
        case .failure(let errno):
            Syscalls.close(number)
            return failure("open", errno)
        }
    }

    private func examine(_ bounds: FrameBounds) -> Result<Contents, IOError> {
        do throws(IOError) {
            let size = try size()
            guard size > 0 else {
                try clear()
                return .success(Contents(file: self, head: Self.headerSize, end: Self.headerSize, torn: 0))
            }
            let header = try read(at: 0, upTo: Self.headerSize)
            guard let head = Self.head(in: header) else {
                // Less than a header is what a crash leaves of a new file; anything else is somebody else's file.
                guard size < Self.headerSize, header.starts(with: Self.mark.utf8.prefix(size)) else { throw error("open", .invalidArgument) }
                try clear()
                return .success(Contents(file: self, head: Self.headerSize, end: Self.headerSize, torn: size))
            }
            var end = max(Self.headerSize, min(head, size))
            let begin = end
            var room = Self.pieceSize
            while end < size {
                let bytes = try read(at: end, upTo: room)
                let (lengths, isBroken) = bytes.withUnsafeBytes { bounds.frames($0) }
                let whole = lengths.reduce(0, +)
                end += whole
                if isBroken || bytes.count < room && whole < bytes.count || bytes.isEmpty { break }
                // A record that is larger than the piece: a larger piece.
                room = whole == 0 ? room * 2 : Self.pieceSize
            }
            if end < size, let errno = Syscalls.truncate(number, Int64(end)) { throw error("truncate", errno) }
            return .success(Contents(file: self, head: begin, end: end, torn: size - end))
        } catch {
            return .failure(error)
        }
    }

    private func size() throws(IOError) -> Int {
        switch Syscalls.status(number) {
        case .success(let status): return Int(status.st_size)
        case .failure(let errno): throw error("stat", errno)
        }
    }

    /// At most `count` bytes that stand at `offset`.
    package func read(at offset: Int, upTo count: Int) throws(IOError) -> [UInt8] {
        var failure: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let rest = iovec(iov_base: buffer.baseAddress! + filled, iov_len: count - filled)
                switch withUnsafePointer(to: rest, { Syscalls.read(number, Vectors(start: $0, count: 1), at: Int64(offset + filled)) }) {
                case .bytes(0): return
                case .bytes(let more): filled += more
                case .wouldBlock: return failure = .resourceTemporarilyUnavailable
                case .failed(let errno): return failure = errno
                }
            }
        }
        if let failure { throw error("read", failure) }
        return bytes
    }

    /// The whole frames that stand from `head` to `end`: some, at least one. Empty: what stands there is none.
    package func frames(from head: Int, to end: Int, _ bounds: FrameBounds) throws(IOError) -> (bytes: [UInt8], lengths: [Int]) {
        var room = Self.pieceSize
        while true {
            let count = min(room, end - head)
            var bytes = try read(at: head, upTo: count)
            let (lengths, isBroken) = bytes.withUnsafeBytes { bounds.frames($0) }
            if !lengths.isEmpty || isBroken || bytes.count < count || count == end - head {
                bytes.removeLast(bytes.count - lengths.reduce(0, +))
                return (bytes, lengths)
            }
            room *= 2
        }
    }

    private static let mark = "asynclog spool 1 head "

    /// Notes that what stands before `head` has been sent.
    package func setHead(_ head: Int) throws(IOError) {
        let digits = "\(head)"
        let text = Self.mark + String(repeating: "0", count: max(0, 20 - digits.count)) + digits
        let header = Array((text + String(repeating: " ", count: max(0, Self.headerSize - 1 - text.utf8.count)) + "\n").utf8)
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

    private static func head(in header: [UInt8]) -> Int? {
        guard header.count == headerSize, header.starts(with: mark.utf8) else { return nil }
        return Int(String(decoding: header.dropFirst(mark.utf8.count).prefix(20), as: UTF8.self))
    }

    /// Empties the file.
    package func clear() throws(IOError) {
        // In this order: a crash between the two leaves a head behind the end, which is an empty spool, too.
        if let errno = Syscalls.truncate(number, Int64(Self.headerSize)) { throw error("truncate", errno) }
        try setHead(Self.headerSize)
    }

    /// Lets others have the file, whoever may still hold this object.
    package func unlock() { Syscalls.unlock(number) }

    private func error(_ operation: String, _ errno: Errno) -> IOError { IOError(operation, on: "\"\(path)\"", errno) }
}

extension AsyncFD {
    /// The file's end, to append to. The caller closes it.
    package convenience init(spool: SpoolFile, label: String) {
        self.init(FileDescriptor(rawValue: spool.tail), owns: true, label: label, isOurs: true, kind: .file)
    }
}
