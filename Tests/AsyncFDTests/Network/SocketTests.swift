// Servers and clients of every family, on real sockets of this machine.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Sockets")
struct SocketTests {
    enum Family: CaseIterable {
        case ipv4, ipv6, unix, abstract

        /// Those that this machine has: many containers are without IPv6, their own loopback included.
        static let present = allCases.filter { $0 != .ipv6 || hasIPv6 }

        private static let hasIPv6: Bool = {
            let candidate = socket(AF_INET6, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
            defer { close(candidate) }
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_addr = in6addr_loopback
            return withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(candidate, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
                }
            }
        }()

        func address(_ folder: TemporaryFolder) -> AsyncFD.Address {
            switch self {
            case .ipv4: .loopback(port: 0)
            case .ipv6: AsyncFD.Address("[::1]:0")!
            case .unix: .unix(FilePath(folder.file("s")))!
            case .abstract: .abstract("asyncfd-test-\(getpid())-\(folder.path.hashValue)")!
            }
        }
    }

    @Test("a server and its clients, over every family", arguments: Family.present)
    func echo(family: Family) throws {
        let folder = try TemporaryFolder()
        let place = family.address(folder)
        try EventLoop.run {
            let listener = try await Listener(on: place)
            #expect(listener.address.port != 0)
            let server = Task(executorPreference: EventLoop.current!) {
                for try await connection in listener {
                    while case let bytes = try await connection.read(upTo: 1000), !bytes.isEmpty {
                        try await connection.write(bytes)
                    }
                    await connection.close()
                }
            }
            for _ in 0..<3 {
                let client = try await connect(to: listener.address)
                #expect(try client.peerAddress == listener.address)
                async let sending: Void = client.write(pattern(200_000))
                #expect(try await client.gather(200_000) == pattern(200_000))
                try await sending
                try await client.shutdown(.writing)
                #expect(try await client.read(upTo: 1).isEmpty)
                await client.close()
            }
            await listener.close()
            try await server.value
        }
    }

    @Test("connecting to an address without a listener is refused, and the error names the address")
    func refused() throws {
        let folder = try TemporaryFolder()
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            let address = listener.address
            await listener.close()
            let error = await failure { () throws(IOError) in _ = try await connect(to: address) }
            #expect(error.map { "\($0)" } == "connect \(address): connection refused (ECONNREFUSED)")
            #expect(
                await failure { () throws(IOError) in _ = try await connect(to: "127.0.0.1", port: address.port!) }?
                    .code == .connectionRefused)
            let missing = AsyncFD.Address.unix(FilePath(folder.file("none")))!
            #expect(await failure { () throws(IOError) in _ = try await connect(to: missing) }?.code == .notFound)
        }
    }

    @Test("an address that is taken is an error of the listener")
    func addressInUse() throws {
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            #expect(
                await failure { () throws(IOError) in _ = try await Listener(on: listener.address) }?.code
                    == .addressInUse)
            await listener.close()
            let again = try await Listener(on: listener.address)
            await again.close()
        }
    }

    @Test("with SO_REUSEPORT several listeners share an address")
    func reusePort() throws {
        try EventLoop.run {
            let first = try await Listener(on: .loopback(port: 0), reusePort: true)
            let second = try await Listener(on: first.address, reusePort: true)
            #expect(second.address == first.address)
            await first.close()
            await second.close()
        }
    }

    @Test("a connection attempt ends at its timeout and at cancellation, and leaves no descriptor behind")
    func timeout() throws {
        try EventLoop.run {
            // A Unix or loopback listener that accepts no connection fills up; then TCP attempts hang, as to a host
            // that does not answer.
            let listener = try await Listener(on: .loopback(port: 0), backlog: 0)
            var fillers: [AsyncFD] = []
            for _ in 0..<3 {
                if let filler = try? await connect(to: listener.address, timeout: .milliseconds(50)) {
                    fillers.append(filler)
                }
            }
            let error = await failure { () throws(IOError) in
                _ = try await connect(to: listener.address, timeout: .milliseconds(5))
            }
            #expect(error?.code == .timedOut)
            let task = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await connect(to: listener.address) }
            }
            await settle()
            task.cancel()
            #expect(await task.value?.code == .cancelled)
            await listener.close()
            for filler in fillers { await filler.close() }
        }
    }

    @Test("a name with several addresses is connected by the first that answers")
    func happyEyeballs() throws {
        try EventLoop.run {
            // localhost is ::1 and 127.0.0.1; only the second answers.
            let listener = try await Listener(on: .loopback(port: 0))
            let connection = try await connect(to: "localhost", port: listener.address.port!, timeout: .seconds(5))
            #expect(try connection.peerAddress == listener.address)
            await connection.close()
            await listener.close()
        }
    }

    @Test("an unknown name is an error that says so")
    func unresolved() throws {
        try EventLoop.run {
            let error = await failure { () throws(IOError) in
                _ = try await connect(to: "no.such.host.invalid", port: 80)
            }
            #expect(error?.code == .unresolved)
            #expect(error?.subject.contains("no.such.host.invalid:80") == true)
        }
    }

    #if DEBUG
    @Test("a listener that may open no more descriptors says so once, does not spin, and goes on when it may")
    func tooManyOpenFiles() throws {
        try EventLoop.run {
            let troubles = Locked<[IOError]>([])
            let listener = try await Listener(on: .loopback(port: 0)) { error in troubles.withLock { $0.append(error) }
            }
            let client = try await connect(to: listener.address)
            let faults = Faults(.errno(.tooManyOpenFiles), at: 2)  // the first call asks for the socket's flags
            Faults.install(faults)
            let loop = EventLoop.current!
            let accepting = Task(executorPreference: loop) { try await listener.accept() }
            await settle()
            #expect(faults.hasStruck)
            let turns = loop.metrics.turns
            try await EventLoop.sleep(for: .milliseconds(3))
            #expect(loop.metrics.turns - turns < 20, "the loop spins")
            let connection = try await accepting.value
            Faults.install(nil)
            #expect(troubles.withLock { $0.map(\.code) } == [.tooManyOpenFiles])
            await connection.close()
            await client.close()
            await listener.close()
        }
    }
    #endif

    @Test("a cancelled accept takes no connection with it")
    func cancelledAccept() throws {
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            let accepting = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await listener.accept() }
            }
            await settle()
            accepting.cancel()
            #expect(await accepting.value?.code == .cancelled)
            let client = try await connect(to: listener.address)
            let connection = try await listener.accept()
            #expect(try connection.peerAddress == client.localAddress)
            await connection.close()
            await client.close()
            await listener.close()
        }
    }

    @Test("closing a listener ends its sequence")
    func closeListener() throws {
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            let server = Task(executorPreference: EventLoop.current!) {
                var count = 0
                for try await connection in listener {
                    count += 1
                    await connection.close()
                }
                return count
            }
            await settle()
            await listener.close()
            #expect(try await server.value == 0)
        }
    }

    #if DEBUG
    @Test("every step of a listener and a connection, hurt", arguments: FaultTests.faults.filter { $0 != .short })
    func faults(fault: Faults.Fault) throws {
        for number in 1...100 {
            let faults = Faults(fault, at: number)
            let error: IOError? = try EventLoop.run {
                Faults.install(faults)
                defer { Faults.install(nil) }
                return await failure { () throws(IOError) in
                    let listener = try await Listener(on: .loopback(port: 0)) { _ in }
                    do throws(IOError) {
                        let client = try await connect(to: listener.address)
                        do throws(IOError) {
                            let connection = try await listener.accept()
                            await connection.close()
                        } catch {
                            await client.close()
                            throw error
                        }
                        await client.close()
                    } catch {
                        await listener.close()
                        throw error
                    }
                    await listener.close()
                }
            }
            if error != nil { #expect(faults.hasStruck && fault != .errno(.interrupted)) }
            #expect(faults.allAreClosed(), "call \(number): descriptors leak after \(String(describing: error))")
            if !faults.hasStruck { return }
        }
        Issue.record("a hundred calls and no end")
    }
    #endif

    @Test("options are set and read, and an unknown one is an error that names the operation")
    func options() throws {
        try EventLoop.run {
            let listener = try await Listener(on: .loopback(port: 0))
            let client = try await connect(to: listener.address)
            let connection = try await listener.accept()
            #expect(try client.value(of: .noDelay) == 1)
            #expect(try connection.value(of: .noDelay) == 1)
            try client.set(.keepAlive, to: 1)
            #expect(try client.value(of: .keepAlive) == 1)
            let error = #expect(throws: IOError.self) { try client.set(SocketOption(level: 1, name: 9999), to: 1) }
            #expect(error?.operation == "setsockopt")
            for descriptor in [client, connection] { await descriptor.close() }
            await listener.close()
        }
    }

    @Test("a pipe of our own: both ends, and the end of the stream")
    func pipe() throws {
        try EventLoop.run {
            let (reader, writer) = try await AsyncFD.pipe()
            async let sending: Void = {
                try await writer.write(pattern(300_000))
                await writer.close()
            }()
            #expect(try await reader.readToEnd(limit: 1 << 20) == pattern(300_000))
            try await sending
            await reader.close()
        }
    }
}
