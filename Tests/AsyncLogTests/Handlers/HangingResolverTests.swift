// A name server that does not answer: it holds up the tasks that ask for the name, and no others.
#if DEBUG
import AsyncFD
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import AsyncLog
@testable import EventLoop

/// Answers no question about names that end in `.hangs.test` until it is released. One at a time: the seam is the
/// process'.
private final class HangingResolver: @unchecked Sendable {  // a semaphore is made for any thread
    // never freed: threads may wait at it for long
    private let gate = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let count = Atomic<Int>(0)

    /// How many questions were asked.
    var questions: Int { count.load(ordering: .relaxed) }

    init() {
        sem_init(gate, 0, 0)
        resolverForTests.withLock { $0 = { [self] in answer($0) } }
    }

    private func answer(_ host: String) -> CInt? {
        guard host.hasSuffix(".hangs.test") else { return nil }
        count.add(1, ordering: .relaxed)
        while sem_wait(gate) != 0 {}
        sem_post(gate)
        return EAI_AGAIN
    }

    /// All questions are answered from now on.
    func release() { sem_post(gate) }

    /// The same, and the system's resolver is asked again.
    func remove() {
        release()
        resolverForTests.withLock { $0 = nil }
    }
}

/// Counts how often it is asked: once for each attempt to connect that has failed.
private struct CountedRandomness: RandomNumberGenerator, Sendable {
    let count = Locked(0)

    mutating func next() -> UInt64 {
        count.withLock { $0 += 1 }
        return .max
    }
}

@Suite("A name server that hangs", .serialized)
struct HangingResolverTests {
    private func handler(_ host: String, _ random: CountedRandomness = CountedRandomness()) -> SocketHandler<
        MessageFormatter
    > {
        SocketHandler(
            .tcp(host, port: 9), formatter: MessageFormatter(),
            backoff: Backoff(first: .milliseconds(1), longest: .milliseconds(2)),
            connectTimeout: .milliseconds(2), random: random)
    }

    @Test(
        "files are written while a handler waits for a name, however often it tries again; one question at a time is asked for it"
    )
    func filesGoOn() throws {
        let folder = try LogFolder()
        let resolver = HangingResolver()
        defer { resolver.remove() }
        try onLoop {
            let attempts = CountedRandomness()
            let file = try await FileHandler(folder.path("app.log"), formatter: plain)
            let network = handler("logs.hangs.test", attempts)
            let logger = Logger("app", handlers: [file, network])
            await logger.info("before")
            #expect(await eventually { attempts.count.value >= 10 })
            guard case .degraded(let reason) = await network.state else { throw Unexpected("\(await network.state)") }
            #expect(reason.code == .timedOut)
            await logger.info("after")
            #expect(await eventually { folder.lines("app.log") == ["before", "after"] })
            #expect(resolver.questions == 1)
            resolver.release()
            #expect(await network.close(within: .zero).droppedTotal == 2)
        }
    }

    @Test(
        "so are they while more names hang than there are threads; names that are known are looked up as soon as there is a thread again"
    )
    func manyNames() throws {
        let folder = try LogFolder()
        let resolver = HangingResolver()
        defer { resolver.remove() }
        try onLoop {
            let loop = EventLoop.current!
            let file = try await FileHandler(folder.path("app.log"), formatter: plain)
            let logger = Logger("app", handlers: [file] + (0..<20).map { handler("logs\($0).hangs.test") })
            await logger.info("line")
            #expect(await eventually { resolver.questions == EventLoop.nameThreads })
            // Users' own questions wait in the same queue, and take no other work's threads.
            let asked = (0..<40).map { index in
                Task(executorPreference: loop) {
                    try await EventLoop.resolve("user\(index % 30).hangs.test", service: "80")
                }
            }
            let known = Task(executorPreference: loop) { try await EventLoop.resolve("localhost", service: "80") }
            await logger.info("another line")
            #expect(await eventually { folder.lines("app.log") == ["line", "another line"] })
            #expect(try await EventLoop.offload { 42 } == 42)
            #expect(resolver.questions == EventLoop.nameThreads)
            // A task that gives up returns at once, and starts no lookup.
            for task in asked[..<20] { task.cancel() }
            for task in asked[..<20] { await #expect(throws: CancellationError.self) { try await task.value } }
            resolver.release()
            #expect(try await !known.value.isEmpty)
            for task in asked[20...] { await #expect(throws: ResolveError.self) { try await task.value } }
            await logger.shutdown(within: .milliseconds(10))
        }
    }
}
#endif
