// A pipe of the test's own: blocking, with close-on-exec, closed when it goes.
import Glibc

/// Both ends of a pipe.
public final class Pipe {
    public private(set) var reader: CInt
    public private(set) var writer: CInt

    /// - Parameters:
    ///   - size: how many bytes it holds; the kernel rounds up to pages.
    public init(size: CInt? = nil) throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError(operation: "pipe", errno: errno) }
        reader = ends[0]
        writer = ends[1]
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        if let size { _ = fcntl(writer, F_SETPIPE_SZ, size) }
    }

    deinit {
        closeReader()
        closeWriter()
    }

    public func closeReader() {
        if reader >= 0 { close(reader) }
        reader = -1
    }

    public func closeWriter() {
        if writer >= 0 { close(writer) }
        writer = -1
    }

    /// How many bytes a reader would find.
    public var readableBytes: Int {
        var count: CInt = 0
        return ioctl(reader, UInt(FIONREAD), &count) == 0 ? Int(count) : -1
    }

    /// Closes the writing end and reads until the end of the stream.
    public func readToEnd() -> [UInt8] {
        closeWriter()
        return readAll(reader)
    }
}

/// Reads until the end of the stream, blocking.
public func readAll(_ descriptor: CInt) -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 { bytes += buffer[..<count] } else if count == 0 || errno != EINTR { return bytes }
    }
}

/// The whole text of a stream, blocking.
public func readText(_ descriptor: CInt) -> String { String(decoding: readAll(descriptor), as: UTF8.self) }

private let F_SETPIPE_SZ: CInt = 1031  // hidden by the C library's feature macros; fcntl(2)
