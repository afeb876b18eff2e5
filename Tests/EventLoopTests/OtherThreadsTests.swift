// Several loops and many threads.
import Glibc
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
    @Test("a call from another thread that turns the loop itself, as exit does, gets at what stands behind it in the inbox")
    func turnFromWithinTheInbox() throws {
        let loop = try EventLoop.start(name: "nested")
        defer { loop.stop() }
        let (isHeld, mayGo, ended) = (DispatchlessSemaphore(), DispatchlessSemaphore(), DispatchlessSemaphore())
        let second = Shared(false)
        let wasDelivered = Shared(false)
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
