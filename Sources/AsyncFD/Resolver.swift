// Names of hosts. The C library's resolver blocks, so it is asked on another thread.
import EventLoop
import Glibc
import SystemPackage

enum Resolver {
    /// The addresses of `host` in the order in which they are to be tried (getaddrinfo(3), RFC 6724). Loop thread.
    static func addresses(of host: String, port: UInt16, on loop: EventLoop) async throws(IOError) -> [Address] {
        let answer = await loop.blocking { lookUp(host, port) }
        switch answer {
        case .success(let addresses) where !addresses.isEmpty: return addresses
        case .success: throw IOError("connect", on: "\(host):\(port)", .unresolved)
        case .failure(let failure): throw IOError("connect", on: "\(host):\(port) (\(failure.reason))", .unresolved)
        }
    }

    struct Failure: Error {
        let reason: String
    }

    /// Blocks.
    private static func lookUp(_ host: String, _ port: UInt16) -> Result<[Address], Failure> {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var code = getaddrinfo(host, nil, &hints, &list)
        if code == EAI_NONAME || code == EAI_ADDRFAMILY {
            // AI_ADDRCONFIG does not count the loopback: on a machine without a network "::1" would be unknown.
            hints.ai_flags = 0
            code = getaddrinfo(host, nil, &hints, &list)
        }
        guard code == 0 else { return .failure(Failure(reason: String(cString: gai_strerror(code)))) }
        defer { freeaddrinfo(list) }
        var addresses: [Address] = []
        var next = list
        while let entry = next {
            if let name = entry.pointee.ai_addr { addresses.append(Address(name, entry.pointee.ai_addrlen).with(port: port)) }
            next = entry.pointee.ai_next
        }
        return .success(addresses)
    }

    private static let EAI_ADDRFAMILY: CInt = -9  // hidden by the C library's feature macros; getaddrinfo(3)
}
