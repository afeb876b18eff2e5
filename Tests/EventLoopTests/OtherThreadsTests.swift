// Several loops and many threads.
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import EventLoop

@Suite("Other threads")
struct OtherThreadsTests {
    @Test("several loops, each with its thread, hand a task to and fro without losing it")
    func severalLoops() async throws {
        let loops = try (0..<4).map { try EventLoop.start(name: "loop \($0)") }
        defer { loops.forEach { $0.stop() } }
        let strays = await withTaskGroup(of: Int.self) { group in
            for first in 0..<8 {
                group.addTask {
                    var strays = 0
                    for hop in 0..<500 {
                        let loop = loops[(first + hop) % loops.count]
                        if !(await withTaskExecutorPreference(loop) { loop.isCurrent }) { strays += 1 }
                    }
                    return strays
                }
            }
            return await group.reduce(0, +)
        }
        #expect(strays == 0)
    }

    @Test("a storm of wake-ups from many threads while the loop falls asleep and wakes: none is lost")
    func storm() throws {
        let loop = try EventLoop.start(name: "storm")
        defer { loop.stop() }
        let finished = DispatchlessSemaphore()
        for _ in 0..<4 {
            _ = startThread(name: "caller") {
                // One call at a time, so that the loop sleeps in between as often as not.
                for _ in 0..<2000 {
                    let answered = DispatchlessSemaphore()
                    loop.perform { answered.signal() }
                    #expect(answered.wait(seconds: 30), "a wake-up was lost")
                }
                finished.signal()
            }
        }
        for _ in 0..<4 { #expect(finished.wait(seconds: 120)) }
        #expect(loop.metrics.turns <= 8000 * 2 + 10)
    }

    @Test("memory that goes round between threads and the loop is never in two hands")
    func blocks() throws {
        let loop = try EventLoop.start(name: "blocks")
        defer { loop.stop() }
        let pool = BlockPool(BlockPool.Kind(index: 1, blockSize: 512))
        let size = pool.blockSize
        let finished = DispatchlessSemaphore()
        let spoiled = Atomic<Int>(0)
        for mark in UInt8(1)...4 {
            _ = startThread(name: "takes") {
                for round in 1...20_000 {
                    nonisolated(unsafe) let block = pool.take()
                    memset(block, Int32(mark), size)
                    loop.perform {
                        if !UnsafeRawBufferPointer(start: block, count: size).allSatisfy({ $0 == mark }) {
                            spoiled.add(1, ordering: .relaxed)
                        }
                        memset(block, 0, size)
                        pool.put(block)
                        if round == 20_000 { finished.signal() }
                    }
                }
            }
        }
        for _ in 0..<4 { #expect(finished.wait(seconds: 120)) }
        #expect(spoiled.load(ordering: .relaxed) == 0)
    }

    @Test(
        "what is asked of a loop in the moment in which its thread leaves is done by one of the two, and stays with neither"
    )
    func leaving() throws {
        let rounds = 10_000
        let loop = try EventLoop(name: "left")
        let claimed = Atomic<Int>(0)
        let done = Atomic<Int>(0)
        let ended = DispatchlessSemaphore()
        _ = startThread(name: "asks") {
            for round in 1...rounds {
                while claimed.load(ordering: .acquiring) < round { sched_yield() }
                loop.perform { done.add(1, ordering: .releasing) }
            }
            ended.signal()
        }
        let limit = Instant.monotonic + .seconds(120)
        for round in 1...rounds {
            loop.claim()
            claimed.store(round, ordering: .releasing)
            for _ in 0..<round % 64 { _ = loop.isCurrent }  // not always the same moment
            loop.leave()
            while done.load(ordering: .acquiring) < round, Instant.monotonic < limit { sched_yield() }
        }
        #expect(ended.wait(seconds: 30))
        #expect(done.load(ordering: .acquiring) == rounds)
    }

    @Test(
        "a call behind an envelope that wakes lazily wakes a coalescing loop; an envelope that wakes lazily wakes a sleeping one"
    )
    func lazyWakeup() throws {
        let loop = try EventLoop(name: "pushed")
        loop.claim()
        defer { loop.release() }
        let inbox = Inbox()
        nonisolated(unsafe) var delivered = ""
        func push(_ text: String, wakesLazily: Bool = false) -> Bool {
            inbox.push(CallEnvelope.make({ delivered += text }, from: loop.envelopes), wakesLazily: wakesLazily)
        }
        func prepareToSleep(coalescing: Bool = false) -> Bool { inbox.prepareToSleep(coalescing: coalescing) }
        func deliverAll() -> Bool { inbox.deliverAll() }

        #expect(prepareToSleep(coalescing: true))
        #expect(!push("a", wakesLazily: true), "a coalescing loop was woken for an envelope that wakes lazily")
        #expect(!push("b", wakesLazily: true))
        #expect(!prepareToSleep(), "the loop would have slept over what is there")
        #expect(push("c"), "a call waits for a coalescing loop to look by itself")
        #expect(!push("d") && !push("e", wakesLazily: true), "the loop was woken twice")
        #expect(deliverAll() && delivered == "abcde")

        #expect(prepareToSleep())
        #expect(push("f", wakesLazily: true), "a sleeping loop was not woken")
        #expect(!push("g", wakesLazily: true))
        #expect(deliverAll() && delivered == "abcdefg")

        #expect(prepareToSleep(coalescing: true) && push("h"))
        #expect(!deliverAll() && delivered.hasSuffix("h"), "a call does not wake lazily")
    }

    @Test(
        "a loop coalesces wake-ups while records keep coming, sleeps after an interval without one, and never coalesces for a single one"
    )
    func coalescing() {
        var coalescing = WakeupCoalescing()
        var now = Instant(nanoseconds: 1_000_000_000)
        func until(_ hasArrived: Bool) -> Duration? {
            coalescing.until(hasArrived: hasArrived, now: now).map { $0 - now }
        }

        #expect(until(false) == nil)
        #expect(until(true) == nil, "it came alone")
        now = now + .milliseconds(5)
        #expect(until(true) == nil, "so did this")
        now = now + WakeupCoalescing.length + .microseconds(60)
        #expect(until(true) == WakeupCoalescing.length)
        now = now + WakeupCoalescing.length / 2
        #expect(until(false) == WakeupCoalescing.length / 2, "what woke the loop was something else")
        #expect(until(true) == WakeupCoalescing.length)
        now = now + WakeupCoalescing.length
        #expect(until(false) == nil, "nothing has come for so long")
        #expect(until(false) == nil)
    }

    @Test(
        "a call from another thread that turns the loop itself, as exit does, gets at what stands behind it in the inbox"
    )
    func turnFromWithinTheInbox() throws {
        let loop = try EventLoop.start(name: "nested")
        defer { loop.stop() }
        let (isHeld, mayGo, ended) = (DispatchlessSemaphore(), DispatchlessSemaphore(), DispatchlessSemaphore())
        let second = Locked(false)
        let wasDelivered = Locked(false)
        loop.perform {
            isHeld.signal()
            _ = mayGo.wait(seconds: 30)
        }
        #expect(isHeld.wait(seconds: 30))
        // Both are in the inbox before the loop looks again.
        loop.perform {
            loop.turnWithoutJobs(.none)
            wasDelivered.value = second.value
            ended.signal()
        }
        loop.perform { second.value = true }
        mayGo.signal()
        #expect(ended.wait(seconds: 30))
        #expect(wasDelivered.value)
    }
}
