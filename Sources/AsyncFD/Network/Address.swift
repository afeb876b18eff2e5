// The address of a socket: an IPv4 or IPv6 address with a port, or the name of a Unix socket.
import EventLoop
import Glibc
import SystemPackage

extension AsyncFD {
    /// The address of a socket.
    ///
    ///     AsyncFD.Address("127.0.0.1:8080")     IPv4
    ///     AsyncFD.Address("[::1]:8080")         IPv6; "[fe80::1%2]:80" with the number of the interface
    ///     AsyncFD.Address("/run/app.sock")      a Unix socket in the file system; also "unix:app.sock"
    ///     AsyncFD.Address("@app")               a Unix socket in Linux' abstract namespace (unix(7))
    public struct Address: Sendable, Hashable, LosslessStringConvertible {
        /// A `sockaddr`, as long as the kernel's length says.
        private let bytes: [UInt8]

        /// No address: that of an unbound Unix socket.
        static let unnamed = Address(family: AF_UNIX, [])

        private init(family: CInt, _ rest: [UInt8]) {
            bytes = withUnsafeBytes(of: sa_family_t(family)) { Array($0) } + rest
        }

        // MARK: Making

        /// An IPv4 address with a port: `.ipv4(127, 0, 0, 1, port: 8080)`.
        public static func ipv4(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, port: UInt16) -> Address {
            Address(family: AF_INET, bigEndian(port) + [a, b, c, d] + [UInt8](repeating: 0, count: 8))
        }

        /// An IPv6 address of 16 bytes with a port; `scope` is the number of the interface, for link-local addresses.
        public static func ipv6(_ octets: [UInt8], port: UInt16, scope: UInt32 = 0) -> Address {
            precondition(octets.count == 16, "ipv6: octets must have 16 bytes")
            return Address(
                family: AF_INET6, bigEndian(port) + [0, 0, 0, 0] + octets + withUnsafeBytes(of: scope) { Array($0) })
        }

        /// This machine only, over IPv4.
        public static func loopback(port: UInt16) -> Address { .ipv4(127, 0, 0, 1, port: port) }

        /// Every address of this machine, over IPv6 and IPv4.
        public static func any(port: UInt16) -> Address { .ipv6([UInt8](repeating: 0, count: 16), port: port) }

        /// A Unix socket in the file system. Nil if the path is empty or longer than the 107 bytes that the kernel
        /// takes.
        public static func unix(_ path: FilePath) -> Address? {
            let text = Array(path.string.utf8)
            guard !text.isEmpty, text.count <= 107, !text.contains(0) else { return nil }
            return Address(family: AF_UNIX, text + [0])
        }

        /// A Unix socket in the abstract namespace. Nil if the name is longer than 107 bytes.
        public static func abstract(_ name: String) -> Address? {
            let text = Array(name.utf8)
            return text.count <= 107 ? Address(family: AF_UNIX, [0] + text) : nil
        }

        /// Reads an address as `description` writes it. It looks up no host names: that needs time and a loop
        /// (`connect(to:port:)`).
        public init?(_ text: String) {
            if text.hasPrefix("@") {
                guard let address = Address.abstract(String(text.dropFirst())) else { return nil }
                self = address
            } else if text.hasPrefix("unix:") {
                guard let address = Address.unix(FilePath(String(text.dropFirst(5)))) else { return nil }
                self = address
            } else if text.hasPrefix("/") || text.hasPrefix("./") {
                guard let address = Address.unix(FilePath(text)) else { return nil }
                self = address
            } else {
                guard let address = Address.internet(text) else { return nil }
                self = address
            }
        }

        private static func internet(_ text: String) -> Address? {
            guard let colon = text.lastIndex(of: ":") else { return nil }
            let digits = text[text.index(after: colon)...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ 48...57 ~= $0 }), let port = UInt16(digits) else {
                return nil
            }
            let host = text[..<colon]
            guard host.hasPrefix("["), host.hasSuffix("]") else {
                var octets = [UInt8](repeating: 0, count: 4)
                guard inet_pton(AF_INET, String(host), &octets) == 1 else { return nil }
                return .ipv4(octets[0], octets[1], octets[2], octets[3], port: port)
            }
            let parts = host.dropFirst().dropLast().split(
                separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
            var octets = [UInt8](repeating: 0, count: 16)
            guard inet_pton(AF_INET6, String(parts[0]), &octets) == 1 else { return nil }
            guard parts.count == 2 else { return .ipv6(octets, port: port) }
            guard let scope = UInt32(parts[1]) ?? interface(String(parts[1])) else { return nil }
            return .ipv6(octets, port: port, scope: scope)
        }

        private static func interface(_ name: String) -> UInt32? {
            let number = if_nametoindex(name)
            return number == 0 ? nil : number
        }

        // MARK: Asking

        /// Which network an address belongs to.
        public enum Family: Sendable, Hashable {
            /// `AF_INET`
            case ipv4
            /// `AF_INET6`
            case ipv6
            /// `AF_UNIX`
            case unix

            var number: CInt {
                switch self {
                case .ipv4: AF_INET
                case .ipv6: AF_INET6
                case .unix: AF_UNIX
                }
            }
        }

        /// The port of an IPv4 or IPv6 address.
        public var port: UInt16? { isInternet ? UInt16(bytes[2]) << 8 | UInt16(bytes[3]) : nil }

        /// The same address with another port. Unix addresses stay as they are.
        public func with(port: UInt16) -> Address {
            guard isInternet else { return self }
            var copy = bytes
            copy.replaceSubrange(2..<4, with: Address.bigEndian(port))
            return Address(bytes: copy)
        }

        /// The path of a Unix socket in the file system.
        public var path: FilePath? {
            guard family == AF_UNIX, bytes.count > 2, bytes[2] != 0 else { return nil }
            return FilePath(String(decoding: bytes[2...].prefix { $0 != 0 }, as: UTF8.self))
        }

        /// AF_INET, AF_INET6 or AF_UNIX.
        var family: CInt { CInt(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }) }

        var isInternet: Bool { family == AF_INET || family == AF_INET6 }

        public var description: String {
            switch family {
            case AF_INET: return "\(text(bytes[4..<8])):\(port!)"
            case AF_INET6:
                let scope = bytes[24..<28].withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
                return "[\(text(bytes[8..<24]))\(scope == 0 ? "" : "%\(scope)")]:\(port!)"
            default:
                guard bytes.count > 2 else { return "unix:" }
                if bytes[2] == 0 { return "@" + String(decoding: bytes[3...], as: UTF8.self) }
                let path = String(decoding: bytes[2...].prefix { $0 != 0 }, as: UTF8.self)
                return path.hasPrefix("/") ? path : "unix:" + path
            }
        }

        private func text(_ octets: ArraySlice<UInt8>) -> String {
            var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            _ = octets.withUnsafeBytes { inet_ntop(family, $0.baseAddress, &buffer, socklen_t(buffer.count)) }
            return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }

        // MARK: The kernel's side

        private init(bytes: [UInt8]) { self.bytes = bytes }

        init(_ resolved: ResolvedAddress) { self.init(bytes: resolved.bytes) }

        init(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
            bytes = [UInt8](UnsafeRawBufferPointer(start: address, count: Int(length)))
        }

        func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
            bytes.withUnsafeBytes { body($0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count)) }
        }

        /// The address that `fill` stores, with its length; `unnamed` if `fill` returns false.
        static func filled(by fill: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> Bool) -> Address {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            return withUnsafeMutableBytes(of: &storage) { storage in
                let pointer = storage.baseAddress!.assumingMemoryBound(to: sockaddr.self)
                guard fill(pointer, &length), length >= 2 else { return .unnamed }
                return Address(pointer, length)
            }
        }

        private static func bigEndian(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 0xFF)] }
    }
}
