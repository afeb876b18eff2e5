// How each kind of descriptor is read and written without blocking, and without an effect on its other users.
//
// O_NONBLOCK belongs to the open file description, which a shell, a parent and a hundred siblings may share. Setting it
// on a descriptor that was handed in changes it for all of them. So this library never does. Instead:
//
//     ours (not shared)        it was opened with O_NONBLOCK                                              .direct
//     pipe                     pwritev2/preadv2 with RWF_NOWAIT; kernels without it: a private description .noWait, .direct
//     socket                   MSG_DONTWAIT, a flag of the call                                           .message
//     terminal                 a private description, opened through /proc/self/fd                         .direct
//     a terminal that cannot   read after asking poll(2); written on a thread of the pool, since not even   .polled,
//     be reopened              poll promises room for more than a byte                                      .offloaded
//     character device         epoll says EPERM: it never blocks                                          .direct
//     regular file             no non-blocking form exists: on a thread of the pool                       .offloaded
//     anything else, and       ask poll(2) first, then move at most PIPE_BUF bytes                        .polled
//     where reopening fails
//
// A regular file is never reopened: a private description has a private offset, and what `print` wrote through the
// shared one would be overwritten. Nor is the emulator's side of a pseudoterminal: opening it makes another
// pseudoterminal (pts(4)). (What the kernel answers to each of these was measured on Linux 6.18; open(2), writev(2),
// pipe(7).)
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// What the kernel can do and permits. Tests switch features off to see that the library works without them.
package struct KernelFeatures: Sendable {
    /// RWF_NOWAIT works on pipes.
    package var noWait = true
    /// RWF_NOSIGNAL is known.
    package var noSignal = true
    /// /proc/self/fd/N may be opened.
    package var reopening = true

    package init() {}
}

extension Direction {
    /// Asked on every read and write. The enumeration's own `==` is another module's, and would be called through its
    /// witness table.
    @inline(__always)
    var isRead: Bool {
        switch self {
        case .read: true
        case .write: false
        }
    }
}

/// One direction of a descriptor: the number to use, and how. Loop thread only.
struct IOPath {
    enum Access: Equatable {
        case direct
        case noWait(flags: CInt)
        case message
        case polled
        case offloaded
    }

    /// The slot in the poller, once an attempt has said would-block.
    var registration: Registration?
    /// The same without counting a reference: the path keeps it.
    var slot: Unmanaged<Registration>? {
        mutating get {
            withUnsafePointer(to: &registration) { UnsafeRawPointer($0).load(as: Unmanaged<Registration>?.self) }
        }
    }
    private(set) var descriptor: CInt
    private(set) var access: Access
    /// The number was made by us, for a private description, and is closed with the path.
    private(set) var isPrivate = false
    /// The number by which the descriptor is registered, if another object has registered its own: the kernel refuses a
    /// second registration of a number (EEXIST). It is a duplicate, and would keep a pipe open that all other users
    /// have closed, so it lives for the time of one wait. -1: none.
    var standIn: CInt = -1
    var hasStandIn: Bool { standIn >= 0 }
    private let direction: Direction
    private let isNonBlocking: Bool
    private let kind: AsyncFD.Kind
    private let features: KernelFeatures
    /// Nil: not asked yet.
    private var isTCP: Bool?

    /// - Parameter isWatched: for character devices, whether epoll can watch it. Those that it cannot never block.
    init(
        _ direction: Direction, of descriptor: CInt, kind: AsyncFD.Kind, isNonBlocking: Bool, isWatched: Bool,
        features: KernelFeatures
    ) {
        self.descriptor = descriptor
        self.direction = direction
        self.kind = kind
        self.features = features
        self.isNonBlocking = isNonBlocking
        access = .direct
        // Not open for this direction: the call fails (EBADF). A private description would have a right that this one
        // does not have.
        guard Syscalls.allows(descriptor, direction) else { return }
        switch kind {
        case .pipe:
            // The calls that take flags take a quarter longer than those that do not.
            if isNonBlocking || !features.noWait {
                doWithoutFlags()
            } else {
                access = .noWait(flags: noWaitFlags(features))
            }
        case .socket: access = .message
        case .file: access = .offloaded
        case .terminal: if !isNonBlocking { reopen() }
        case .characterDevice: if isWatched && !isNonBlocking { access = .polled }
        case .anonymous: if !isNonBlocking { access = .polled }
        case .closed, .directory: break  // the call will say what is wrong
        }
    }

    private func noWaitFlags(_ features: KernelFeatures) -> CInt {
        if direction.isRead { return cfd_RWF_NOWAIT }
        if features.noSignal { return cfd_RWF_NOWAIT | cfd_RWF_NOSIGNAL }
        cfd_survive_sigpipe()
        return cfd_RWF_NOWAIT
    }

    /// For pipes that stay within the process, and for kernels that do not know RWF_NOWAIT there.
    private mutating func doWithoutFlags() {
        guard isNonBlocking else { return reopen() }
        if !direction.isRead { cfd_survive_sigpipe() }
        access = .direct
    }

    private mutating func reopen() {
        if !direction.isRead { cfd_survive_sigpipe() }
        let mode = direction.isRead ? O_RDONLY : O_WRONLY
        guard features.reopening, !Syscalls.isPseudoterminalMaster(descriptor),
            case .success(let number) = Syscalls.reopen(descriptor, mode)
        else {
            access = kind == .terminal && !direction.isRead ? .offloaded : .polled
            return
        }
        descriptor = number
        isPrivate = true
        access = .direct
    }

    /// The wait is over, and no task waits any more.
    mutating func closeStandIn() {
        guard hasStandIn else { return }
        registration.take()?.close()
        Syscalls.close(standIn)
        standIn = -1
    }

    /// Moves what can be moved right now. Never for `.offloaded` I/O paths.
    mutating func move(_ vectors: Vectors) -> IOOutcome {
        switch access {
        case .direct: return plain(vectors)
        case .message:
            return direction.isRead ? Syscalls.receive(descriptor, vectors) : Syscalls.send(descriptor, vectors)
        case .polled: return polled(vectors)
        case .noWait(let flags):
            let outcome =
                direction.isRead
                ? Syscalls.read(descriptor, vectors, flags: flags) : Syscalls.write(descriptor, vectors, flags: flags)
            guard case .failed(let errno) = outcome, errno == .notSupportedOnSocket || errno == .invalidArgument else {
                return outcome
            }
            // An older kernel. First it may only lack RWF_NOSIGNAL, then RWF_NOWAIT on pipes.
            if flags & cfd_RWF_NOSIGNAL != 0 {
                cfd_survive_sigpipe()
                access = .noWait(flags: cfd_RWF_NOWAIT)
            } else {
                doWithoutFlags()
            }
            return move(vectors)
        case .offloaded: preconditionFailure("a regular file is not read or written on the loop")
        }
    }

    private func plain(_ vectors: Vectors) -> IOOutcome {
        direction.isRead ? Syscalls.read(descriptor, vectors) : Syscalls.write(descriptor, vectors)
    }

    /// After poll(2) has said yes, a pipe takes PIPE_BUF bytes without waiting (pipe(7)), unless a neighbour is
    /// quicker.
    private func polled(_ vectors: Vectors) -> IOOutcome {
        guard Syscalls.isReady(descriptor, events: direction.isRead ? POLLIN : POLLOUT) else { return .wouldBlock }
        guard !direction.isRead else { return plain(vectors) }
        var first = vectors[0]
        first.iov_len = min(first.iov_len, Int(PIPE_BUF))
        return withUnsafePointer(to: first) { Syscalls.write(descriptor, Vectors(start: $0, count: 1)) }
    }

    /// On a thread of the pool: blocks for as long as it takes.
    static func moveOffLoop(_ direction: Direction, _ descriptor: CInt, _ vectors: Vectors) -> IOOutcome {
        direction.isRead ? Syscalls.read(descriptor, vectors) : Syscalls.write(descriptor, vectors)
    }

    /// A count that is smaller than what was asked for means that the stream is empty, or full, for now. Not on
    /// terminals, which hand out lines, nor on Unix sockets, which stop at a message with descriptors. (A TCP socket
    /// stops at urgent data: see `Registration.signal`.)
    var isDrainedByShortCount: Bool {
        mutating get {
            switch access {
            case .direct: return kind == .pipe || (kind == .terminal && !direction.isRead)
            case .noWait: return true
            case .message: return !direction.isRead || isStreamOfTCP()
            case .polled, .offloaded: return false
            }
        }
    }

    private mutating func isStreamOfTCP() -> Bool {
        if let isTCP { return isTCP }
        let answer = Syscalls.isTCP(descriptor)
        isTCP = answer
        return answer
    }

    func closePrivate() {
        if isPrivate { Syscalls.close(descriptor) }
        if hasStandIn { Syscalls.close(standIn) }
    }
}
