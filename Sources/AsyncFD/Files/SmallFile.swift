// Reading a small configuration file at once: at the start of a program, before a loop runs. Everything else uses
// `open`.
import Glibc
import SystemPackage

package enum SmallFile {
    /// A configuration file is smaller than this.
    private static let limit = 1 << 20

    /// The whole contents. Blocks.
    package static func read(_ path: String) throws(IOError) -> [UInt8] {
        let descriptor: CInt
        switch Syscalls.open(FilePath(path), O_RDONLY, 0) {
        case .success(let number): descriptor = number
        case .failure(let errno): throw IOError("open", on: "\"\(path)\"", errno)
        }
        defer { Syscalls.close(descriptor) }
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while contents.count <= limit {
            let outcome = piece.withUnsafeMutableBytes { bytes in
                withUnsafePointer(to: iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)) {
                    Syscalls.read(descriptor, Vectors(start: $0, count: 1))
                }
            }
            switch outcome {
            case .bytes(0): return contents
            case .bytes(let count): contents += piece[..<count]
            case .wouldBlock: throw IOError("read", on: "\"\(path)\"", .resourceTemporarilyUnavailable)
            case .failed(let errno): throw IOError("read", on: "\"\(path)\"", errno)
            }
        }
        throw IOError("read", on: "\"\(path)\"", .fileTooLarge)
    }
}
