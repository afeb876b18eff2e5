// Blocking work on other threads: bounded, in order, and given up when its task is cancelled.
import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite("Offload")
struct OffloadTests {
    private struct Failure: Error, Equatable {}

    @Test("results and errors come back, the loop goes on meanwhile, and the work is elsewhere")
    func results() throws {
        try EventLoop.run {
            let loop = EventLoop.current!
            let gate = DispatchlessSemaphore()
            async let value = EventLoop.offload {
                #expect(EventLoop.current == nil)
                return gate.wait(seconds: 30)
            }
            try await EventLoop.sleep(for: .milliseconds(1))
            gate.signal()  // only the loop does this, so the loop is not blocked
            let opened = try await value
            #expect(opened)
            await #expect(throws: Failure()) { try await EventLoop.offload { throw Failure() } }
            #expect(loop.waiters == 0)
            #expect(loop.offloaded == 0)
        }
    }

    @Test(
        "never more bodies at a time than there may be threads; the others wait in the order in which they came",
        arguments: [1, 3])
    func bounded(threads: Int) throws {
        let running = Locked(0)
        let most = Locked(0)
        let order = Locked<[Int]>([])
        try EventLoop.run {
            let loop = EventLoop.current!
            loop.userPool = OffloadPool(loop: loop) { threads }
            await withDiscardingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        try? await EventLoop.offload {
                            order.withLock { $0.append(number) }
                            let now = running.withLock {
                                $0 += 1
                                return $0
                            }
                            most.withLock { $0 = max($0, now) }
                            usleep(200)
                            running.withLock { $0 -= 1 }
                        }
                    }
                }
            }
            #expect(loop.userPool.threads <= threads)
        }
        #expect((1...threads).contains(most.value))
        // With more threads than one, bodies that begin together may report it in any order.
        if threads == 1 {
            #expect(order.value == Array(0..<50))
        } else {
            #expect(order.value.sorted() == Array(0..<50))
        }
    }

    @Test(
        "a call cancelled while it waits for a thread never begins; one that has begun is waited for, or abandoned if the caller asked for it"
    )
    func cancellation() throws {
        let gate = DispatchlessSemaphore()
        let ranWaiting = Locked(false)
        try EventLoop.run {
            let loop = EventLoop.current!
            loop.userPool = OffloadPool(loop: loop) { 1 }
            let running = Task(executorPreference: loop) { try await EventLoop.offload { gate.wait(seconds: 30) } }
            let waiting = Task(executorPreference: loop) { try await EventLoop.offload { ranWaiting.value = true } }
            while loop.waiters < 2 { await Task.yield() }
            waiting.cancel()
            running.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            gate.signal()
            let heard = try await running.value
            #expect(heard)

            let abandoned = Task(executorPreference: loop) {
                try await EventLoop.offload(abandonOnCancel: true) { gate.wait(seconds: 30) }
            }
            while loop.waiters < 1 { await Task.yield() }
            abandoned.cancel()
            await #expect(throws: CancellationError.self) { try await abandoned.value }
            #expect(loop.waiters == 0)
            gate.signal()
            #expect(try await EventLoop.offload { 42 } == 42)
        }
        #expect(!ranWaiting.value)
    }

    @Test("threads without work go")
    func retirement() throws {
        try EventLoop.run {
            let loop = EventLoop.current!
            loop.userPool = OffloadPool(loop: loop, idleSeconds: 0) { 4 }
            for _ in 0..<20 {
                #expect(try await EventLoop.offload { 42 } == 42)
            }
            while loop.userPool.threads > 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
            #expect(try await EventLoop.offload { 42 } == 42)
        }
    }

    @Test("the layers' own work does not wait for users' threads")
    func separatePools() throws {
        let gate = DispatchlessSemaphore()
        try EventLoop.run {
            let loop = EventLoop.current!
            loop.userPool = OffloadPool(loop: loop) { 1 }
            async let stuck = EventLoop.offload { gate.wait(seconds: 30) }
            while loop.offloaded == 0 { await Task.yield() }
            await withUnsafeContinuation { continuation in loop.submitIO({}, then: { continuation.resume() }) }
            gate.signal()
            let opened = try await stuck
            #expect(opened)
        }
    }

    @Test("names become addresses off the loop, and what cannot be resolved says why")
    func resolve() throws {
        try EventLoop.run {
            let addresses = try await EventLoop.resolve("127.0.0.1", service: "80")
            #expect(addresses.map(\.family) == [AF_INET])
            #expect(addresses[0].bytes[2...7] == [0, 80, 127, 0, 0, 1])
            #expect(try await !EventLoop.resolve("localhost", service: "http").isEmpty)
            let error = await #expect(throws: ResolveError.self) {
                try await EventLoop.resolve("127.0.0.1", service: "no such service")
            }
            #expect(error?.code == EAI_SERVICE)
            #expect("\(error!)".hasPrefix("resolve 127.0.0.1:no such service: "))
        }
    }
}
