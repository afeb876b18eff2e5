// Receivers of log records, on the test's own loop.
import AsyncFD
import EventLoop
import Glibc
import Synchronization
import SystemPackage
import TestSupport

/// Waits until something is so, while the loop turns; for what the kernel and other programs do in their own time.
/// False: it has not come to be in a minute.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await EventLoop.sleep(for: .milliseconds(1))
    }
    return try await condition()
}

/// Ports that no other program is given by chance: the kernel's own choices begin at 32768 (ip(7)). A test that lets go
/// of one for a while finds it free again.
enum Ports {
    private static let count = Atomic<Int>(Int.random(in: 0..<8000))

    static func next() -> UInt16 {
        while true {
            let port = UInt16(20_000 + count.add(1, ordering: .relaxed).newValue % 12_000)
            if isFree(port, SOCK_STREAM), isFree(port, SOCK_DGRAM) { return port }
        }
    }

    private static func isFree(_ port: UInt16, _ type: __socket_type) -> Bool {
        let candidate = socket(AF_INET, CInt(type.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        defer { close(candidate) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(candidate, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

/// Accepts connections and keeps what comes, until it vanishes.
final class LogServer: @unchecked Sendable {  // used on one loop
    let address: AsyncFD.Address
    private let listener: Listener
    private var connections: [AsyncFD] = []
    /// What each connection has brought so far, in the order in which they were accepted.
    private(set) var streams: [[UInt8]] = []
    /// What connections say when they begin.
    private let isReading: Bool
    private let loop = EventLoop.current!

    /// - Parameter isReading: false: connections are accepted, and nothing is read.
    init(on address: AsyncFD.Address? = nil, isReading: Bool = true) async throws {
        listener = try await Listener(on: address ?? .loopback(port: Ports.next()))
        self.address = listener.address
        self.isReading = isReading
        Task(executorPreference: loop) { await self.accept() }
    }

    private func accept() async {
        while let connection = try? await listener.accept() {
            let index = streams.count
            connections.append(connection)
            streams.append([])
            if isReading { Task(executorPreference: loop) { await self.read(connection, index) } }
        }
    }

    private func read(_ connection: AsyncFD, _ index: Int) async {
        while let bytes = try? await connection.read(upTo: 65_536), !bytes.isEmpty { streams[index] += bytes }
    }

    /// Reads at most so many bytes of a connection, for a server that does not read by itself.
    func readSome(_ limit: Int, of index: Int) async throws {
        streams[index] += try await connections[index].read(upTo: limit)
    }

    /// Hangs up all connections and listens on.
    func hangUp() async {
        for connection in connections { await connection.close() }
        connections = []
    }

    /// Stops listening, and connections are hung up.
    func vanish() async {
        await listener.close()
        await hangUp()
        if let path = address.path { _ = path.withPlatformString { unlink($0) } }
    }

    var text: String { String(decoding: streams.joined(), as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
    var port: UInt16 { address.port! }
}

/// A bound datagram socket that the test may read; it blocks no sender.
final class DatagramReceiver {
    let descriptor: CInt
    private let path: String?

    /// On a path, or, without one, on a port of this machine.
    init(path: String? = nil, port given: UInt16? = nil) throws {
        self.path = path
        let port = path == nil ? given ?? Ports.next() : 0
        descriptor = socket(
            path == nil ? AF_INET : AF_UNIX,
            CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(operation: "socket", errno: errno) }
        let result: CInt
        if let path {
            unlink(path)
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
            result = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        } else {
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            result = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        guard result == 0 else { throw SystemError(operation: "bind", errno: errno) }
    }

    var port: UInt16 {
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: name.sin_port)
    }

    /// The datagrams that have come, at most so many of them.
    func receive(_ limit: Int = .max) -> [String] {
        var datagrams: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while datagrams.count < limit {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0 { break }
            datagrams.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
        return datagrams
    }

    func vanish() {
        close(descriptor)
        if let path { unlink(path) }
    }
}

/// Listens, and looks only at the end at what has come: no system call of its own gets between those of the one who
/// sends.
final class SilentServer {
    private let listener: CInt
    let port: UInt16

    init() throws {
        let listener = socket(
            AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 100) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isListening else { throw SystemError(operation: "listen", errno: errno) }
        port = UInt16(bigEndian: name.sin_port)
    }

    deinit { close(listener) }

    /// What all connections have brought, in their order. They have been closed by the other side.
    func received() -> String {
        var text = ""
        while case let connection = accept(listener, nil, nil), connection >= 0 {
            text += readText(connection)
            close(connection)
        }
        return text
    }
}
