// A descriptor that tasks can read and write without ever blocking the event loop.
//
// This file says what one is, and on which loop it lives. NonBlocking.swift handles each kind of
// descriptor; Closing.swift, Reading.swift, Writing.swift and Waiting.swift do what their names say.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// A file descriptor with asynchronous reading and writing, of any kind: pipe, socket, terminal, device, file.
///
///     let out = AsyncFD.standardOutput
///     try await out.write("hello\n")
///
/// A *borrowed* descriptor stays its owner's: it is never closed, its flags and its position are never changed, and its
/// other users notice nothing. An *owned* one is closed by `close()`, or, if the program forgot that, with the last
/// reference.
///
/// An `AsyncFD` lives on the event loop on which it was made, and all of its work happens there. Its methods may be
/// called from any task; a task that is elsewhere visits the loop for the time of the call.
///
/// Unchecked because everything that changes is touched on the loop's thread only: each public function goes there
/// first (`onLoop`).
public final class AsyncFD: @unchecked Sendable {
    /// The descriptor's number as it was handed in. Stays what it was after `close`.
    ///
    /// Before handing it to another program: what `open`, `connect` and `Listener` make has O_NONBLOCK, and a program
    /// that gets it has to expect that. The ends of `pipe` and `socketPair` do not have it.
    public let descriptor: FileDescriptor
    /// Whether `close()` closes it.
    public let owns: Bool
    /// What it is called in messages.
    public var label: String { givenLabel ?? "descriptor \(descriptor.rawValue)" }
    private let givenLabel: String?
    /// What it refers to.
    public let kind: Kind

    package let loop: EventLoop
    /// Calls that are made with the number, and not on the loop.
    let uses = DescriptorUses()
    let isOurs: Bool
    private let features: KernelFeatures

    // Loop thread only. Each access ends before the next begins, so the fields of every read and write do without the
    // dynamic exclusivity check.
    @exclusivity(unchecked) var reading: IOPath?
    @exclusivity(unchecked) var writing: IOPath?
    @exclusivity(unchecked) var isClosed = false
    /// Closes the numbers; called when no other thread uses them any more.
    var afterUses: (() -> Void)?
    /// The turn to write; `writers` makes it.
    @exclusivity(unchecked) var turn: WriteTurn?
    /// The last reference closes it; that is not reported as forgotten.
    private var mayBeForgotten = false
    /// What has been read and not been asked for yet.
    @exclusivity(unchecked) var input = InputBuffer()
    @exclusivity(unchecked) var isBeingRead = false
    /// A FIFO that was opened before its first writer reports the end of the stream, although the stream has not begun.
    @exclusivity(unchecked) var awaitsFirstByte = false
    /// The batch writers that gather output for this descriptor, oldest first.
    @exclusivity(unchecked) var batchWriters: [BatchWriter] = []
    /// What few descriptors need: made at its first use, so that ten thousand idle connections do not hold its memory.
    private(set) lazy var extras: Extras = {
        hasExtras = true
        return Extras()
    }()
    private(set) var hasExtras = false

    /// Uses a descriptor that other code owns and keeps open for as long as this object is used. Any thread.
    ///
    /// - Parameter label: what it is called in error messages; `descriptor 7` if not given.
    public convenience init(borrowing descriptor: FileDescriptor, label: String? = nil) {
        self.init(descriptor, owns: false, label: label)
    }

    /// Takes a descriptor over; it is closed with this object. Any thread.
    ///
    /// Its flags stay as they are: it may share its open file description with others.
    public convenience init(owning descriptor: FileDescriptor, label: String? = nil) {
        self.init(descriptor, owns: true, label: label)
    }

    /// A descriptor that one of the layers above has opened with O_NONBLOCK for itself. It is closed with the object,
    /// which is not reported.
    package convenience init(forgettable descriptor: CInt, label: String) {
        self.init(FileDescriptor(rawValue: descriptor), owns: true, label: label, isOurs: true)
        mayBeForgotten = true
    }

    /// - Parameter isOurs: the open file description was made with O_NONBLOCK by us and is not shared.
    /// - Parameter kind: if it is known already.
    package init(
        _ descriptor: FileDescriptor, owns: Bool, label: String?, isOurs: Bool = false, kind: Kind? = nil,
        features: KernelFeatures = .init()
    ) {
        self.descriptor = descriptor
        self.owns = owns
        givenLabel = label
        self.isOurs = isOurs
        self.features = features
        self.kind = kind ?? Kind(of: descriptor.rawValue)
        loop = EventLoop.current ?? .main
        if self.kind == .file { Syscalls.surviveFileSizeLimit() }
    }

    final class Extras {
        /// Writes to a regular file that wait to be made together.
        var fileWrites = FileWrites()
        /// What is printed here; made by the first `print`.
        var printer: Printer?
        /// The ledgers of printers whose loop has ended.
        var pastPrints = Ledger()
    }

    /// What is printed here, if anything has been.
    var printer: Printer? { hasExtras ? extras.printer : nil }

    deinit {
        // No task waits, and no call is under way: both hold a reference.
        guard !isClosed, reading != nil || writing != nil || owns else { return }
        let teardown = Teardown(reading: reading, writing: writing, owned: owns ? descriptor.rawValue : nil)
        let mayWait = kind == .file || kind == .socket
        let leak = owns && !mayBeForgotten ? label : nil
        loop.performFromDeinit { [loop] in
            teardown.forget()
            if mayWait { loop.offloadIO({ teardown.closeNumbers() }, then: {}) } else { teardown.closeNumbers() }
            #if DEBUG
            if let leak {
                StandardErrorFallback.report(
                    "AsyncFD: \(leak) was never closed; it is closed now, with its last reference")
            }
            #endif
        }
    }

    // MARK: Asking

    /// Whether reading or writing could block the event loop. False for every kind that the kernel can move without
    /// blocking; true only if the descriptor had to be reopened and could not be. Then another user of it may take at
    /// the same moment what `poll` has reported.
    ///
    /// Independent of the descriptor's flags (`fcntl(F_GETFL)`), which stay what they were.
    public var isBlocking: Bool {
        get async {
            await onLoop(orElse: true) {
                $0.withPath(.read, \.access) == .polled || $0.withPath(.write, \.access) == .polled
            }
        }
    }

    // MARK: Loop thread: I/O paths

    /// Moves what can be moved right now, unless the cached readiness says that the descriptor is not ready.
    package func moveNow(_ direction: Direction, _ vectors: Vectors) -> IOOutcome {
        if isClosed { return .failed(.badFileDescriptor) }
        return withPath(direction) { path in
            guard let slot = path.slot else { return path.move(vectors) }
            switch slot._withUnsafeGuaranteedRef({ $0.attempt(direction) }) {
            case .wait: return .wouldBlock
            case .closed: return .failed(.badFileDescriptor)
            case .go(let edge):
                let outcome = path.move(vectors)
                switch outcome {
                case .wouldBlock: slot._withUnsafeGuaranteedRef { $0.clear(direction, edge, by: .wouldBlock) }
                case .bytes(let count) where count < vectors.byteCount && path.isDrainedByShortCount:
                    slot._withUnsafeGuaranteedRef { $0.clear(direction, edge, by: .shortCount) }
                default: break
                }
                return outcome
            }
        }
    }

    /// The same for a call other than read or write.
    func attempt(_ direction: Direction, _ call: (CInt) -> IOOutcome) -> IOOutcome {
        if isClosed { return .failed(.badFileDescriptor) }
        let (descriptor, registration) = withPath(direction) { ($0.descriptor, $0.registration) }
        guard let registration else { return call(descriptor) }
        switch registration.attempt(direction) {
        case .wait: return .wouldBlock
        case .closed: return .failed(.badFileDescriptor)
        case .go(let edge):
            let outcome = call(descriptor)
            if outcome == .wouldBlock { registration.clear(direction, edge, by: .wouldBlock) }
            return outcome
        }
    }

    /// The registration to wait on after `moveNow` said would-block. Nil: the descriptor is of a kind that is always
    /// ready.
    package func registration(for direction: Direction) throws(IOError) -> Registration? {
        let (descriptor, registration) = withPath(direction) { ($0.descriptor, $0.registration) }
        if let registration { return registration }
        do {
            let other = direction.isRead ? writing : reading
            let registration =
                if let other, other.descriptor == descriptor, !other.hasStandIn, let shared = other.registration {
                    shared
                } else {
                    try register(direction)
                }
            withPath(direction) { $0.registration = registration }
            return registration
        } catch {
            throw IOError(error.operation, on: label, error.errno)
        }
    }

    private func register(_ direction: Direction) throws(EventLoopError) -> Registration? {
        do {
            return try loop.register(withPath(direction, \.descriptor))
        } catch  where error.errno == .fileExists {
            let number: CInt
            switch Syscalls.duplicate(withPath(direction, \.descriptor)) {
            case .success(let made): number = made
            case .failure(let errno): throw EventLoopError(operation: "fcntl", errno: errno)
            }
            do {
                let registration = try loop.register(number)
                withPath(direction) { $0.standIn = number }
                return registration
            } catch {
                Syscalls.close(number)
                throw error
            }
        }
    }

    /// To be called when a wait in this direction is over.
    func endWait(_ direction: Direction) {
        if direction.isRead { reading?.closeStandIn() } else { writing?.closeStandIn() }
    }

    /// Whether moving bytes has only a blocking form here, so that it is done on another thread: `moveOffLoop`.
    func isOffloaded(_ direction: Direction) -> Bool { withPath(direction) { $0.access == .offloaded } }

    /// How many bytes a thread of the pool may be given at once. Zero: none, wait for readiness first.
    ///
    /// A file's system call ends by itself. A user may stop a terminal for any length of time; it gets no thread until
    /// poll(2) reports room, and then no more bytes than it is likely to take.
    func offloadLimit(_ direction: Direction) -> Int {
        guard kind != .file else { return .max }
        if Syscalls.isReady(descriptor.rawValue, events: direction.isRead ? POLLIN : POLLOUT) { return 1024 }
        if let registration = withPath(direction, \.registration), case .go(let edge) = registration.attempt(direction)
        {
            registration.clear(direction, edge, by: .wouldBlock)
        }
        return 0
    }

    /// The number that writes go to: the descriptor's own, or that of a private description of it. Loop thread.
    var numberForWriting: CInt { withPath(.write, \.descriptor) }

    /// Whether it never blocks, as far as epoll knows.
    func isAlwaysReady(_ direction: Direction) -> Bool {
        withPath(direction) { $0.access == .direct && $0.registration == nil && !isOurs }
    }

    /// The path in its place; made at its first use.
    @inline(__always)
    private func withPath<Value>(_ direction: Direction, _ body: (inout IOPath) -> Value) -> Value {
        if direction.isRead {
            if reading == nil { reading = makePath(.read) }
            return body(&reading!)
        } else {
            if writing == nil { writing = makePath(.write) }
            return body(&writing!)
        }
    }

    private func makePath(_ direction: Direction) -> IOPath {
        var registration: Registration?
        var isWatched = false
        if kind == .characterDevice {
            // epoll knows whether it can block: it refuses to watch a device that cannot (EPERM).
            registration = (direction.isRead ? writing : reading)?.registration
            do {
                if registration == nil { registration = try loop.register(descriptor.rawValue) }
                isWatched = registration != nil
            } catch {
                isWatched = error.errno == .fileExists  // by another object for the same number
            }
        }
        var path = IOPath(
            direction, of: descriptor.rawValue, kind: kind, isNonBlocking: isOurs, isWatched: isWatched,
            features: features)
        path.registration = registration
        return path
    }

    // MARK: Going to the loop

    /// Runs `body` on the loop's thread. Returns `idle` if no thread can be started for it.
    func onLoop<Value: Sendable>(orElse idle: Value, _ body: @escaping @Sendable (AsyncFD) async -> Value) async
        -> Value
    {
        if loop.isCurrent { return await body(self) }
        guard loop.ensureOwner() else { return idle }
        return await loop.visit { await body(self) }
    }

    /// Runs `body` on the loop's thread.
    func onLoop<Value: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (AsyncFD) async throws(IOError) -> Value
    ) async throws(IOError)
        -> Value
    {
        if loop.isCurrent { return try await body(self) }
        return try await loop.visit(operation, label) { () throws(IOError) in try await body(self) }
    }
}

extension Vectors {
    /// The number of bytes in all of them.
    package var byteCount: Int { reduce(0) { $0 + $1.iov_len } }
}
