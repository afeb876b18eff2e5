// A file or a pipe that a handler writes to, and what has been written.
import AsyncLog
import EventLoop
import Glibc
import SystemPackage
import TestSupport

/// A temporary file without a name.
final class Sink: @unchecked Sendable {  // immutable
    private let file: CInt

    init() throws {
        var template = Array("/tmp/asynclog-test-XXXXXX".utf8CString)
        file = mkstemp(&template)
        guard file >= 0 else { throw SystemError(operation: "mkstemp", errno: errno) }
        unlink(template)
    }

    deinit { close(file) }

    /// To be asked for on the loop on which it is used.
    var descriptor: AsyncFD { AsyncFD(borrowing: FileDescriptor(rawValue: file), label: "the file") }

    func bytes() -> [UInt8] {
        lseek(file, 0, SEEK_SET)
        return readAll(file)
    }

    func lines() -> [String] { String(decoding: bytes(), as: UTF8.self).split(separator: "\n").map(String.init) }
}

extension Pipe {
    /// The end to write to; to be asked for on the loop on which it is used.
    var descriptor: AsyncFD { AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe") }

    /// Takes out what is there, without waiting.
    func drain(_ limit: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < limit {
            var poll = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 0) == 1 else { break }
            let count = read(reader, &buffer, min(buffer.count, limit - bytes.count))
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes
    }
}
