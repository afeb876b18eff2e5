// Waiting for any descriptor that the kernel can watch: a library's socket, an inotify or timer descriptor, a device.
//
// epoll(7) reports changes; a user asks about states. So a wait first asks poll(2) for the state. Only if the
// descriptor is not ready does it wait for a change, and then it asks again. The answer is always true when it is
// given, however much or little the user read last time, and the user reports nothing back. (AsyncFD, which makes the
// system calls itself, uses the cached edges instead.)
import Glibc
import SystemPackage

/// A wait for a descriptor ended without readiness.
public struct WatchError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why. An open set: switches need a default.
    public struct Code: Sendable, Hashable {
        let reason: String

        /// Another task already waits for this. There is one waiter a direction.
        public static let busy = Code(reason: "another task already waits for this")
        /// The watch was closed, before or during the wait.
        public static let closed = Code(reason: "the watch has been closed")
        /// The task was cancelled.
        public static let cancelled = Code(reason: "the task was cancelled")
        /// No thread runs the watch's loop, and none can be started (or the process is a forked child).
        public static let noEventLoop = Code(reason: "no thread runs its event loop, and none can be started")
        /// The kernel refused; `errno` says why.
        public static let system = Code(reason: "")
    }

    /// What went wrong, in a form to switch on.
    public let code: Code
    /// The descriptor that was waited for.
    public let descriptor: FileDescriptor
    /// What was waited for.
    public let interest: PollEvents
    /// For `.system`: `EBADF` if the descriptor is not open, `EEXIST` if something else on this loop watches it,
    /// `ENOSPC` beyond the user's limit of watches (`/proc/sys/fs/epoll/max_user_watches`), …
    public let errno: Errno?

    public var description: String {
        "wait for \(interest) of descriptor \(descriptor.rawValue): \(errno.map { "\($0)" } ?? code.reason)"
    }
}

extension WatchError: CancellableError {
    package var isCancellation: Bool { code == .cancelled }
}

/// A descriptor whose readiness can be waited for.
///
///     let watch = Watch(FileDescriptor(rawValue: socket))
///     defer { watch.close() }
///     try await watch.readable()
///     let count = read(socket, …)
///
/// Of any kind that `poll(2)` knows; those that never block in its sense (regular files, directories) are always ready.
/// The owner keeps the descriptor, and closes it after the watch: epoll reports nothing about a closed number, so a
/// waiting task would wait for ever. The watch does not change the flags, so a read may still block if another reader
/// empties the descriptor first; make a shared descriptor non-blocking.
///
/// A watch belongs to the loop on which it was made (outside of any: the main loop). Its methods may be called from any
/// task; a task that runs elsewhere visits the loop for the wait. One task can wait for reading and one for writing at
/// a time. A watch costs nothing until the first task has to wait, and then one `epoll_ctl`, once.
///
/// Unchecked because what changes is touched on the loop's thread only.
public final class Watch: @unchecked Sendable {
    /// What is watched. Stays its owner's: closing the watch does not close it.
    public let descriptor: FileDescriptor
    private let loop: EventLoop

    // Loop thread only.
    private var registration: Registration?
    private var isClosed = false

    /// Any thread. The descriptor has to stay open until the watch is closed.
    public convenience init(_ descriptor: FileDescriptor) { self.init(descriptor, on: EventLoop.current ?? .main) }

    init(_ descriptor: FileDescriptor, on loop: EventLoop) {
        self.descriptor = descriptor
        self.loop = loop
    }

    deinit {
        guard let registration else { return }
        loop.performFromDeinit { registration.close() }
    }

    /// Suspends the task until a read would not block. Returns at once if that is so already.
    ///
    /// - Returns: the state; contains `.reading`, `.endOfInput`, `.hangUp` or `.error`.
    /// - Throws: `WatchError`. A wait that is cancelled leaves nothing behind.
    /// - Complexity: one `poll(2)` if it is ready; two and a wait if not.
    @discardableResult
    public func readable() async throws(WatchError) -> PollEvents { try await ready(for: .reading) }

    /// Suspends the task until a write would not block; see `readable`.
    @discardableResult
    public func writable() async throws(WatchError) -> PollEvents { try await ready(for: .writing) }

    /// Suspends the task until one of the events in `interest` is there, or the descriptor has hung up or failed.
    public func ready(for interest: PollEvents) async throws(WatchError) -> PollEvents {
        if loop.isCurrent { return try await readyHere(interest) }
        guard loop.ensureOwner() else { throw error(.noEventLoop, interest) }
        return try await loop.visit { () async throws(WatchError) in try await self.readyHere(interest) }
    }

    /// Ends the watch. Tasks that wait get `WatchError.Code.closed`; so do those that wait later. Call it before the
    /// descriptor is closed. Any thread.
    public func close() {
        loop.perform {
            self.isClosed = true
            self.registration.take()?.close()
        }
    }

    // MARK: Loop thread

    private func readyHere(_ interest: PollEvents) async throws(WatchError) -> PollEvents {
        await loop.yieldIfSpent()
        while true {
            if isClosed { throw error(.closed, interest) }
            if Task.isCancelled { throw error(.cancelled, interest) }
            let ready = try state(interest)
            if !ready.isEmpty { return ready }
            guard let registration = try register(interest) else { return interest }
            // A hang-up or an error alone is waited for on the reading side, which hears of both.
            let reads = !interest.isDisjoint(with: [.reading, .endOfInput]) || !interest.contains(.writing)
            let writes = interest.contains(.writing)
            if reads, case .go(let edge) = registration.attempt(.read) {
                registration.clear(.read, edge, by: .wouldBlock)
            }
            if writes, case .go(let edge) = registration.attempt(.write) {
                registration.clear(.write, edge, by: .wouldBlock)
            }
            switch await registration.wait(for: reads ? (writes ? .either : .read) : .write) {
            case .ready: continue
            case .closed: throw error(.closed, interest)
            case .cancelled: throw error(.cancelled, interest)
            case .busy: throw error(.busy, interest)
            }
        }
    }

    /// poll(2), without waiting.
    private func state(_ interest: PollEvents) throws(WatchError) -> PollEvents {
        var request = pollfd(
            fd: descriptor.rawValue, events: interest.rawValue | PollEvents.endOfInput.rawValue, revents: 0)
        while poll(&request, 1, 0) < 0 {
            guard Glibc.errno == EINTR else { throw error(.system, interest, Errno(rawValue: Glibc.errno)) }
        }
        if request.revents & Int16(POLLNVAL) != 0 { throw error(.system, interest, .badFileDescriptor) }
        return PollEvents(rawValue: request.revents)
    }

    private func register(_ interest: PollEvents) throws(WatchError) -> Registration? {
        if let registration { return registration }
        do {
            registration = try loop.register(descriptor.rawValue)
            return registration
        } catch {
            throw self.error(.system, interest, error.errno)
        }
    }

    private func error(_ code: WatchError.Code, _ interest: PollEvents, _ errno: Errno? = nil) -> WatchError {
        WatchError(code: code, descriptor: descriptor, interest: interest, errno: errno)
    }
}
