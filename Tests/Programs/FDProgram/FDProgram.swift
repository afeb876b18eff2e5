// What the tests of AsyncFD need a whole process for.
import AsyncFD
import EventLoop
import SystemPackage
@preconcurrency import Glibc

@main
struct FDProgram {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        switch arguments.first {
        case "cancel-stdin": try EventLoop.run { try await cancelStandardInput() }
        case "full-disk": try EventLoop.run { try await fillDisk(FilePath(arguments.last!)) }
        case "both-streams": try EventLoop.run { await printToBothStreams(Int(arguments.last!)!) }
        case "leak": try EventLoop.run { try await leak() }
        case "leak-elsewhere": try leakElsewhere()
        default: exit(2)
        }
    }

    /// Cancels one read of standard input, and leaves another pending at the exit.
    static func cancelStandardInput() async throws {
        let first = Task { try await AsyncFD.standardInput.read(upTo: 100) }
        await Task.yield()
        first.cancel()
        do {
            _ = try await first.value
        } catch let error as IOError {
            await print(error.code == .cancelled ? "cancelled" : "\(error)")
        }
        Task { try await AsyncFD.standardInput.read(upTo: 100) }
        await Task.yield()
        await print("pending")
    }

    static func fillDisk(_ path: FilePath) async throws {
        var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        let file = try await open(path, .writeOnly, options: .create)
        do {
            try await file.write([UInt8](repeating: 0, count: 10_000))
        } catch {
            await print(error)
        }
        await file.close()
    }

    /// Forgets to close what it has opened, and a descriptor that it has borrowed.
    static func leak() async throws {
        var file: AsyncFD? = try await open("/dev/null", .writeOnly)
        try await file!.write("x")
        let number = file!.descriptor.rawValue
        file = nil
        await print(fcntl(number, F_GETFD) == -1 ? "closed" : "open")
        var borrowed: AsyncFD? = AsyncFD(borrowing: .standardInput)
        _ = await borrowed!.isBlocking
        borrowed = nil
        await print(fcntl(0, F_GETFD) == -1 ? "closed" : "open")
    }

    /// Drops the last reference on a thread that has nothing to do with the descriptor's loop, which no `run` runs.
    static func leakElsewhere() throws {
        var ends: [CInt] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { exit(1) }
        var writer: AsyncFD? = AsyncFD(owning: FileDescriptor(rawValue: ends[1]))
        precondition(writer!.owns)
        writer = nil
        for _ in 0..<60_000 where fcntl(ends[1], F_GETFD) != -1 { usleep(1000) }
        Swift.print(fcntl(ends[1], F_GETFD) == -1 ? "closed" : "open")
    }
}
