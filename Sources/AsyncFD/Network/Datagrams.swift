// UDP, and Unix sockets that carry messages: each send is one datagram, each receive gets one.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// A datagram socket that is bound to `address`, or, without one, to a port of the kernel's choice when it first
    /// sends. The caller closes it.
    ///
    ///     let socket = try await AsyncFD.datagrams(on: .loopback(port: 5353))
    ///     let (bytes, sender) = try await socket.receive(upTo: 1500)
    ///     try await socket.send(bytes, to: sender)
    ///
    /// - Parameter family: the socket's address family if no `address` is given.
    public static func datagrams(on address: Address? = nil, family: Address.Family = .ipv4) async throws(IOError)
        -> AsyncFD
    {
        func label(_ address: Address?) -> String { "datagrams" + (address.map { " on \($0)" } ?? "") }
        switch Syscalls.socket(address?.family ?? family.number, CInt(SOCK_DGRAM.rawValue)) {
        case .failure(let errno): throw IOError("socket", on: label(address), errno)
        case .success(let number):
            if let address, let errno = Syscalls.bind(number, address) {
                Syscalls.close(number)
                throw IOError("bind", on: label(address), errno)
            }
            // With the port that the kernel has chosen, if 0 was asked for.
            return AsyncFD(
                socket: number, label: label(address.map { (try? Syscalls.localAddress(number).get()) ?? $0 }))
        }
    }

    /// Sends one datagram to `address`.
    ///
    /// - Throws: `IOError`; the datagram was sent whole or not at all. `EMSGSIZE`: it is larger than the network takes.
    public func send(_ bytes: [UInt8], to address: Address) async throws(IOError) {
        try await onLoop("send") { descriptor async throws(IOError) in
            try await descriptor.takeTurn()
            defer { descriptor.leaveTurn() }
            _ = try await descriptor.moved(.write, "send") { number in
                bytes.withUnsafeBytes { bytes in
                    let vector = iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                    return withUnsafePointer(to: vector) {
                        Syscalls.send(number, Vectors(start: $0, count: 1), to: address)
                    }
                }
            }
        }
    }

    /// Waits for a datagram; returns it with its sender's address. A datagram may be empty.
    ///
    /// - Throws: `.tooLong` if it was larger than `limit`; it is gone then.
    public func receive(upTo limit: Int) async throws(IOError) -> (bytes: [UInt8], sender: Address) {
        try await reading { descriptor async throws(IOError) in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(limit, 1), alignment: 16)
            defer { memory.deallocate() }
            var sender = Address.unnamed
            let count = try await descriptor.moved(.read, "receive") { number in
                let outcome: IOOutcome
                (outcome, sender) = withUnsafePointer(to: iovec(iov_base: memory.baseAddress, iov_len: limit)) {
                    Syscalls.receiveFrom(number, Vectors(start: $0, count: 1))
                }
                return outcome
            }
            guard count <= limit else { throw IOError("receive", on: descriptor.label, .tooLong) }
            return (Array(memory[..<count]), sender)
        }
    }
}
