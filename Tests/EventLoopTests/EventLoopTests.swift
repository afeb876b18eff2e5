// A loop as its user sees it: results, errors, order, other threads.
import Glibc
import Synchronization
import Testing

@testable import EventLoop

@Suite("EventLoop")
struct EventLoopTests {
    private struct Failure: Error, Equatable {}

    @Test("run returns what its body returns")
    func result() throws {
        #expect(try EventLoop.run { 42 } == 42)
    }

    @Test("an error of the body comes out of run")
    func error() {
        #expect(throws: Failure()) { try EventLoop.run { throw Failure() } }
    }

    @Test("the body and its child tasks stay on the loop's thread")
    func oneThread() throws {
        let strays = try EventLoop.run {
            let home = pthread_self()
            return await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<1000 {
                    group.addTask {
                        await Task.yield()
                        return pthread_self() == home
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 0 : 1) }
            }
        }
        #expect(strays == 0)
    }

    @Test("a job that enqueues itself for ever does not keep timers waiting")
    func fairness() throws {
        try EventLoop.run {
            let busy = Task(executorPreference: EventLoop.current!) {
                while !Task.isCancelled { await Task.yield() }
            }
            try await EventLoop.sleep(for: .milliseconds(1))
            busy.cancel()
            await busy.value
        }
    }

    @Test("a cancelled sleep ends at once and leaves no timer behind")
    func cancelledSleep() throws {
        let left = try EventLoop.run {
            let loop = EventLoop.current!
            let sleeper = Task(executorPreference: loop) { try await EventLoop.sleep(for: .seconds(3600)) }
            await Task.yield()
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            return loop.timers.count
        }
        #expect(left == 0)
    }

    @Test("calls from many threads all arrive, each thread's in its order")
    func inboxFromManyThreads() throws {
        let loop = try EventLoop.start(name: "inbox")
        defer { loop.stop() }
        let threads = 8
        let each = 10_000
        final class Seen: @unchecked Sendable {  // touched on the loop's thread only
            var last = [Int](repeating: -1, count: 8)
            var count = 0
            var disorder = 0
        }
        let seen = Seen()
        let done = DispatchlessSemaphore()
        for thread in 0..<threads {
            _ = startThread(name: "poster") {
                for number in 0..<each {
                    loop.perform {
                        if seen.last[thread] != number - 1 { seen.disorder += 1 }
                        seen.last[thread] = number
                        seen.count += 1
                        if seen.count == threads * each { done.signal() }
                    }
                }
            }
        }
        #expect(done.wait(seconds: 30), "not all calls have arrived: a wake-up was lost")
        #expect(seen.disorder == 0)
    }

    @Test("an actor on the loop runs on the loop's thread, and the runtime knows")
    func actorOnLoop() async throws {
        actor Counter {
            let loop: EventLoop
            var value = 0
            nonisolated var unownedExecutor: UnownedSerialExecutor { loop.serialExecutor.asUnownedSerialExecutor() }
            init(_ loop: EventLoop) { self.loop = loop }
            func increment() -> Bool {
                value += 1
                assertIsolated()
                return loop.isCurrent
            }
        }
        let loop = try EventLoop.start(name: "actor")
        defer { loop.stop() }
        let counter = Counter(loop)
        for _ in 0..<100 { #expect(await counter.increment()) }
        #expect(await counter.value == 100)
    }

}

/// A semaphore that a test may wait on without a run loop.
final class DispatchlessSemaphore: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func signal() { sem_post(semaphore) }

    /// The same from within a task that means to block its thread.
    func block(seconds: Int) -> Bool { wait(seconds: seconds) }

    func wait(seconds: Int) -> Bool {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        while sem_timedwait(semaphore, &deadline) != 0 {
            if errno != EINTR { return false }
        }
        return true
    }
}
