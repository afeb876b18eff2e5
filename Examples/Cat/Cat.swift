// Copies files, or standard input, to standard output.
//
//     swift run -c release Cat [file | -]…
//
// `copy(from:to:)` handles pipes, terminals, disks and sockets on either side.
import AsyncFD
import EventLoop
import SystemPackage
@preconcurrency import Glibc

@main
struct Cat {
    static func main() throws {
        let names = CommandLine.arguments.dropFirst()
        let status = try EventLoop.run { await cat(names.isEmpty ? ["-"] : Array(names)) }
        if status == SIGPIPE + 128 { endAsCatDoes() }
        exit(status)
    }

    /// cat(1) leaves SIGPIPE at its default: without a reader the signal ends it, and it prints nothing.
    static func endAsCatDoes() -> Never {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
        exit(SIGPIPE + 128)  // the signal is blocked
    }

    /// Like cat(1), goes on with the next file when one cannot be read, and stops when the output has no reader any
    /// more.
    static func cat(_ names: [String]) async -> CInt {
        var status: CInt = 0
        for name in names {
            do {
                let input = name == "-" ? .standardInput : try await open(FilePath(name), .readOnly)
                if !(try await show(input, name)) { status = 1 }
            } catch {
                if error.code == .brokenPipe { return SIGPIPE + 128 }
                await print("Cat: \(error)", to: .standardError)
                status = 1
            }
        }
        return status
    }

    /// Copies one file and closes it. Returns false if the output would be read again as input; it has printed a
    /// message then.
    static func show(_ input: AsyncFD, _ name: String) async throws(IOError) -> Bool {
        var failure: IOError?
        let isAllowed = !feedsItself(input)
        do throws(IOError) {
            if isAllowed { try await copy(from: input, to: .standardOutput) }
        } catch {
            failure = error
        }
        if input.owns { await input.close() }
        if let failure { throw failure }
        if !isAllowed { await print("Cat: \(name): input file is output file", to: .standardError) }
        return isAllowed
    }

    /// Whether the copy would read from `input` its own output, without end: standard output is the same file, and its
    /// position is behind the position at which the copy reads.
    static func feedsItself(_ input: AsyncFD) -> Bool {
        let (from, to) = (input.descriptor.rawValue, STDOUT_FILENO)
        var (source, destination) = (stat(), stat())
        guard input.kind == .file, fstat(from, &source) == 0, fstat(to, &destination) == 0 else { return false }
        guard source.st_dev == destination.st_dev, source.st_ino == destination.st_ino else { return false }
        let isAppending = fcntl(to, F_GETFL) & O_APPEND != 0
        let begin = lseek(from, 0, SEEK_CUR)
        return begin >= 0 && begin < (isAppending ? Int(destination.st_size) : lseek(to, 0, SEEK_CUR))
    }
}
