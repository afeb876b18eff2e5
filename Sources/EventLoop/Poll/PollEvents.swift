// The bits of poll(2), as an option set.
import Glibc

/// What a descriptor is ready for, or what has become of it: the bits of `poll(2)`.
public struct PollEvents: OptionSet, Sendable, CustomStringConvertible {
    /// The bits, as poll(2) has them.
    public let rawValue: Int16

    /// Bits of poll(2).
    public init(rawValue: Int16) { self.rawValue = rawValue }

    /// A read would not block (`POLLIN`): there are bytes, a connection, or the end of the stream.
    public static let reading = PollEvents(rawValue: Int16(POLLIN))
    /// A write would not block (`POLLOUT`).
    public static let writing = PollEvents(rawValue: Int16(POLLOUT))
    /// The other end will send no more (`POLLRDHUP`); what it has sent can still be read. Comes unasked.
    public static let endOfInput = PollEvents(rawValue: 0x2000)
    /// The other end is gone (`POLLHUP`). Comes unasked.
    public static let hangUp = PollEvents(rawValue: Int16(POLLHUP))
    /// An error is pending (`POLLERR`): the next system call, or `SO_ERROR`, says which. On the writing end of a pipe:
    /// no process reads from it any more. Comes unasked.
    public static let error = PollEvents(rawValue: Int16(POLLERR))

    public var description: String {
        let names: [(PollEvents, String)] = [
            (.reading, "reading"), (.writing, "writing"), (.endOfInput, "endOfInput"), (.hangUp, "hangUp"),
            (.error, "error"),
        ]
        return "[" + names.filter { contains($0.0) }.map(\.1).joined(separator: ", ") + "]"
    }
}
