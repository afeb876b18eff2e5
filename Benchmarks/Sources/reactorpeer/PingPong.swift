// R1 and R7: a byte goes to and fro between two tasks over two pipes.
import AsyncFD
import EventLoop
@preconcurrency import Glibc
import SystemPackage

enum PingPong {
    static func run(_ count: Int, idle: Int) async throws {
        allowManyDescriptors()
        let before = memory("VmRSS")
        var idlers: [AsyncFD] = []
        for _ in 0..<idle { idlers.append(await makeIdle()) }
        let perDescriptor = idle > 0 ? (memory("VmRSS") - before) * 1024 / idle : 0

        let (there, back) = (makePipe(), makePipe())
        let echo = Task {
            while case let byte = try await there.reader.read(upTo: 64), !byte.isEmpty { try await back.writer.write(byte) }
        }
        func round(_ count: Int) async throws {
            for _ in 0..<count {
                try await there.writer.write([0x78])
                _ = try await back.reader.read(upTo: 64)
            }
        }
        try await round(count / 10)
        let start = nanoseconds()
        try await round(count)
        Swift.print("ns=\(Double(nanoseconds() - start) / Double(count)) bytes_per_fd=\(perDescriptor)")
        echo.cancel()
        for descriptor in idlers + [there.reader, there.writer, back.reader, back.writer] { await descriptor.close() }
    }

    private static func makePipe() -> (reader: AsyncFD, writer: AsyncFD) {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: \(Errno(rawValue: errno))")
        return (AsyncFD(owning: FileDescriptor(rawValue: ends[0])), AsyncFD(owning: FileDescriptor(rawValue: ends[1])))
    }

    /// A pipe held by one descriptor, which has been read from in vain: the loop watches it.
    private static func makeIdle() async -> AsyncFD {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: \(Errno(rawValue: errno))")
        let both = open("/proc/self/fd/\(ends[0])", O_RDWR)
        precondition(both >= 0, "open: \(Errno(rawValue: errno))")
        close(ends[0])
        close(ends[1])
        let descriptor = AsyncFD(owning: FileDescriptor(rawValue: both))
        _ = try? await withTimeout(.zero) { try await descriptor.read(upTo: 64) }
        return descriptor
    }
}
