// Streams of every kind that can say would-block, as other code hands them in: blocking, shared, with whatever the
// kernel lacks.
import AsyncFD
import Glibc
import SystemPackage
import TestSupport
import Testing

/// A row of the table in NonBlocking.swift.
enum Row: String, CaseIterable, CustomTestStringConvertible {
    case pipe
    case pipeWithoutNoSignal = "pipe, kernel without RWF_NOSIGNAL"
    case pipeWithoutNoWait = "pipe, kernel without RWF_NOWAIT"
    case pipePolled = "pipe, kernel without RWF_NOWAIT, not to be reopened"
    case fifo
    case socket
    case datagramSocket = "sequenced-packet socket"
    case terminal
    case terminalNotReopened = "terminal, not to be reopened"
    case terminalMaster = "terminal, the emulator's side"

    var testDescription: String { rawValue }

    var features: KernelFeatures {
        var features = KernelFeatures()
        switch self {
        case .pipe, .fifo, .socket, .datagramSocket, .terminal, .terminalMaster: break
        case .pipeWithoutNoSignal: features.noSignal = false
        case .pipeWithoutNoWait: features.noWait = false
        case .pipePolled:
            features.noWait = false
            features.reopening = false
        case .terminalNotReopened: features.reopening = false
        }
        return features
    }

    var isTerminal: Bool { self == .terminal || self == .terminalNotReopened || self == .terminalMaster }

    /// Rows in which bytes are a stream: a read may begin in the middle of a write.
    static let streams = allCases.filter { $0 != .datagramSocket }
}

/// Two ends, as blocking descriptors that belong to the test. Unchecked: touched on the thread of the test's loop only.
final class Channel: @unchecked Sendable {
    let row: Row
    private(set) var reader: CInt
    private(set) var writer: CInt

    init(_ row: Row) throws {
        self.row = row
        var ends: [CInt] = [-1, -1]
        switch row {
        case .pipe, .pipeWithoutNoSignal, .pipeWithoutNoWait, .pipePolled:
            guard Glibc.pipe(&ends) == 0 else { throw SystemError(operation: "pipe", errno: errno) }
        case .fifo:
            let folder = try TemporaryFolder()
            mkfifo(folder.file("fifo"), 0o600)
            let both = open(folder.file("fifo"), O_RDWR)
            ends = [open(folder.file("fifo"), O_RDONLY), open(folder.file("fifo"), O_WRONLY)]
            close(both)
        case .socket:
            guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0 else {
                throw SystemError(operation: "socketpair", errno: errno)
            }
        case .datagramSocket:
            guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
                throw SystemError(operation: "socketpair", errno: errno)
            }
        case .terminal, .terminalNotReopened:
            let terminal = try Pseudoterminal()
            ends = [dup(terminal.master), dup(terminal.slave)]
        case .terminalMaster:
            let terminal = try Pseudoterminal()
            ends = [dup(terminal.slave), dup(terminal.master)]
        }
        reader = ends[0]
        writer = ends[1]
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    }

    deinit {
        closeReader()
        closeWriter()
    }

    func closeReader() {
        if reader >= 0 { close(reader) }
        reader = -1
    }

    func closeWriter() {
        if writer >= 0 { close(writer) }
        writer = -1
    }

    /// The writing end as a borrowed descriptor on the current loop.
    func output() -> AsyncFD {
        AsyncFD(FileDescriptor(rawValue: writer), owns: false, label: nil, features: row.features)
    }

    /// The reading end as a borrowed descriptor on the current loop.
    func input() -> AsyncFD {
        AsyncFD(FileDescriptor(rawValue: reader), owns: false, label: nil, features: row.features)
    }

    /// What all users of the open file descriptions see of them.
    var flags: [CInt] { [reader, writer].map { fcntl($0, F_GETFL) } }
}

/// Bytes that are not the same at any two places that could be mixed up.
func pattern(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        var state: UInt32 = 12345
        for index in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            buffer[index] = UInt8(truncatingIfNeeded: state >> 24)
        }
        initialized = count
    }
}

extension AsyncFD {
    /// Reads until there are `count` bytes, or the end.
    func gather(_ count: Int) async throws(IOError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try await read(upTo: min(10_000, count - bytes.count))
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }
}

/// Lets every other job on the loop run until it waits.
func settle() async { for _ in 0..<10 { await Task.yield() } }

/// The error with which `body` ends.
func failure(_ body: () async throws(IOError) -> Void) async -> IOError? {
    do throws(IOError) {
        try await body()
        return nil
    } catch {
        return error
    }
}
