// Copies files, or standard input, to standard output.
//
//     swift run -c release Cat [file | -]…
//
// What may be a pipe, a terminal, a disk or a socket on either side is for `copy(from:to:)` to deal with.
import AsyncFD
import EventLoop
import SystemPackage
@preconcurrency import Glibc

@main
struct Cat {
    static func main() throws {
        let names = CommandLine.arguments.dropFirst()
        let status = try EventLoop.run { await cat(names.isEmpty ? ["-"] : Array(names)) }
        exit(status)
    }

    /// Like cat(1), goes on with the next file when one cannot be read, and stops when nobody takes the output any more.
    static func cat(_ names: [String]) async -> CInt {
        var status: CInt = 0
        for name in names {
            do {
                let input = name == "-" ? .standardInput : try await open(FilePath(name), .readOnly)
                try await copy(from: input, to: .standardOutput)
                if input.owns { await input.close() }
            } catch {
                await print("Cat: \(error)", to: .standardError)
                if error.code == .brokenPipe { return 1 }
                status = 1
            }
        }
        return status
    }
}
