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
        for _ in 0..<idle { idlers.append(try await makeIdle()) }
        let perDescriptor = idle > 0 ? (memory("VmRSS") - before) * 1024 / idle : 0

        let (there, back) = (try await AsyncFD.pipe(isShared: false), try await AsyncFD.pipe(isShared: false))
        try await withThrowingTaskGroup { group in
            group.addTask {
                while case let byte = try await there.reader.read(upTo: 64), !byte.isEmpty { try await back.writer.write(byte) }
            }
            group.addTask {
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
                await there.writer.close()
            }
            try await group.waitForAll()
        }
        for descriptor in idlers + [there.reader, there.writer, back.reader, back.writer] { await descriptor.close() }
    }

    /// A pipe with one descriptor, which a read has found empty: so the loop watches it. The pipe is made elsewhere, as the
    /// peers' pipes are.
    private static func makeIdle() async throws -> AsyncFD {
        let (reader, writer) = try FileDescriptor.pipe()
        let both = try FileDescriptor.open(FilePath("/proc/self/fd/\(reader.rawValue)"), .readWrite, options: [.nonBlocking, .closeOnExec])
        try reader.close()
        try writer.close()
        let descriptor = AsyncFD(owning: both)
        _ = try? await withTimeout(.zero) { try await descriptor.read(upTo: 64) }
        return descriptor
    }
}
