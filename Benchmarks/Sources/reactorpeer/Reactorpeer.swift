// The event loop on the work that event loops are compared by, written as a user would write it: tasks, async and await.
//
//     reactorpeer R1 [ROUND_TRIPS [IDLE]]   a byte goes to and fro between two tasks over two pipes (beside IDLE idle descriptors: R7)
//     reactorpeer R5 [TASKS]                tasks that yield once each, all alive at once
//     reactorpeer R5y [YIELDS]              a thousand tasks that yield in turn
//
// Each prints one line of key=value.
import AsyncFD
import EventLoop
@preconcurrency import Glibc
import SystemPackage

@main
struct Reactorpeer {
    static func main() throws {
        let arguments = CommandLine.arguments
        func number(_ index: Int, _ standard: Int) -> Int { arguments.count > index ? Int(arguments[index])! : standard }
        switch arguments.dropFirst().first {
        case "R1": try EventLoop.run { try await pingPong(number(2, 200_000), idle: number(3, 0)) }
        case "R5": try EventLoop.run { await spawn(number(2, 1_000_000)) }
        case "R5y": try EventLoop.run { await yields(number(2, 1_000_000)) }
        default:
            fputs("usage: reactorpeer R1|R5|R5y …\n", stderr)
            exit(2)
        }
    }

    // MARK: R1, R7

    static func pingPong(_ count: Int, idle: Int) async throws {
        let before = memory("VmRSS")
        var idlers: [Task<Void, Never>] = []
        for _ in 0..<idle {
            let (reader, _) = makePipe()
            idlers.append(Task { _ = try? await reader.read(upTo: 64) })
        }
        await Task.yield()
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
        idlers.forEach { $0.cancel() }
    }

    static func makePipe() -> (reader: AsyncFD, writer: AsyncFD) {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: \(Errno(rawValue: errno))")
        return (AsyncFD(owning: FileDescriptor(rawValue: ends[0])), AsyncFD(owning: FileDescriptor(rawValue: ends[1])))
    }

    // MARK: R5

    static func spawn(_ count: Int) async {
        var elapsed: UInt64 = 0
        for round in [count / 10, count] {
            let start = nanoseconds()
            await withDiscardingTaskGroup { group in
                for _ in 0..<round { group.addTask { await Task.yield() } }
            }
            elapsed = nanoseconds() - start
        }
        Swift.print("ns=\(Double(elapsed) / Double(count)) peak_kb=\(memory("VmHWM"))")
    }

    static func yields(_ count: Int) async {
        let start = nanoseconds()
        await withDiscardingTaskGroup { group in
            for _ in 0..<1000 {
                group.addTask { for _ in 0..<count / 1000 { await Task.yield() } }
            }
        }
        Swift.print("ns=\(Double(nanoseconds() - start) / Double(count)) peak_kb=\(memory("VmHWM"))")
    }
}

/// A figure of /proc/self/status in KiB.
func memory(_ key: String) -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return -1 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if text.hasPrefix(key + ":") { return Int(text.split { $0 == " " || $0 == "\t" }[1]) ?? -1 }
    }
    return -1
}

func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
