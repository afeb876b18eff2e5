// Handing blocking work to another thread and waiting for its result.
//
// One kind of work must not delay another, so each kind has threads of its own:
//
// - the files of the layers of this package (`submitIO`), four threads: writes continue whatever a user or a name
//   server does;
// - names, four threads (NameLookups.swift): a query may hang for as long as the name server does;
// - what users hand over, `offloadThreads`;
// - children, a thread each, and only where there is no pidfd (Children.swift).
import CEventLoop
import Glibc
import Synchronization

extension EventLoop {
    private static let userThreads = Atomic<Int>(16)

    /// How many blocking calls `offload` runs at a time, on each loop: 16, unless set otherwise. Any thread; counts for
    /// what is submitted later.
    public static var offloadThreads: Int {
        get { userThreads.load(ordering: .relaxed) }
        set { userThreads.store(max(1, newValue), ordering: .relaxed) }
    }

    /// How many blocking calls of the layers above run at a time.
    package static let ioThreads = 4
    /// How many names are looked up at a time.
    static let nameThreads = 4

    /// Runs `body` on a thread where it may block, while the loop goes on, and returns what it returns.
    ///
    ///     let entries = try await EventLoop.offload { try FileManager.default.contentsOfDirectory(atPath: path) }
    ///
    /// At most `offloadThreads` bodies run at a time; a call that finds all threads busy waits, first come, first
    /// served. Threads are started as they are needed, and end after ten seconds without work. On the current loop's
    /// pool; outside of any loop, on the main loop's.
    ///
    /// A task that is cancelled while it waits for its turn gives it up. A body that has begun cannot be interrupted:
    /// the call returns when it has ended, with what it returns; or, with `abandonOnCancel`, at once, and what the body
    /// then returns is dropped (so do not abandon a body that opens descriptors).
    ///
    /// - Throws: what `body` throws; `CancellationError`; `EventLoopError` if there is not one thread to be had.
    /// - Complexity: two thread switches.
    public static func offload<Value: Sendable>(
        abandonOnCancel: Bool = false, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await onCurrentLoop("offload") { loop in try await loop.offloadHere(abandonOnCancel, body) }
    }

    private func offloadHere<Value: Sendable>(_ abandonOnCancel: Bool, _ body: @escaping @Sendable () throws -> Value)
        async throws -> Value
    {
        let call = OffloadedCall(body, on: self, abandonOnCancel: abandonOnCancel)
        await parkTask {
            call.begin($0)
        } onCancel: {
            self.perform { call.cancel() }
        }
        return try call.result.get()
    }

    /// Runs `off` on a thread of the I/O pool, where it may block for as long as a disk does, then `on` on the loop.
    /// For the layers above, which call `offloadIO` (AsyncFD). Loop thread.
    package func submitIO(_ off: @escaping @Sendable () -> Void, then on: @escaping () -> Void) {
        // No thread can be started: the loop's thread makes the call, late rather than never.
        if !ioPool.submit(OffloadedWork(off: off, on: on)) {
            off()
            soon(on)
        }
    }
}

/// A call of `EventLoop.offload`.
///
/// Unchecked: loop thread only, but for `body`, which a thread of the pool runs once, and `answer`, which that thread
/// writes and the pool hands back to the loop's.
private final class OffloadedCall<Value: Sendable>: @unchecked Sendable {
    private let loop: EventLoop
    private let abandonOnCancel: Bool
    private let body: @Sendable () throws -> Value
    private var answer: Result<Value, any Error>?
    private var work: OffloadedWork?
    private var continuation: UnsafeContinuation<Void, Never>?
    /// What the task gets to see.
    private(set) var result: Result<Value, any Error> = .failure(CancellationError())

    init(_ body: @escaping @Sendable () throws -> Value, on loop: EventLoop, abandonOnCancel: Bool) {
        self.body = body
        self.loop = loop
        self.abandonOnCancel = abandonOnCancel
    }

    func begin(_ continuation: UnsafeContinuation<Void, Never>) {
        guard !Task.isCancelled else { return continuation.resume() }
        let work = OffloadedWork(off: { self.answer = Result { try self.body() } }, on: { self.end(self.answer!) })
        guard loop.userPool.submit(work) else {
            result = .failure(EventLoopError(operation: "pthread_create", errno: .resourceTemporarilyUnavailable))
            return continuation.resume()
        }
        self.work = work
        self.continuation = continuation
        loop.waiters += 1
    }

    func cancel() {
        guard let work, work.giveUp() || abandonOnCancel else { return }
        end(.failure(CancellationError()))
    }

    private func end(_ result: Result<Value, any Error>) {
        guard let continuation = continuation.take() else { return }
        self.result = result
        work = nil
        loop.waiters -= 1
        continuation.resume()
    }
}
