// How a loop ends.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("The end of a loop")
struct ShutdownTests {
    @Test("the body's end does not wait for tasks; they go on without it, so that a wait for one of them ends")
    func tasksLeftAlive() async throws {
        let steps = Locked<[String]>([])
        func run() throws -> Task<Int, any Error> {
            try EventLoop.run {
                let task = Task(executorPreference: EventLoop.current!) {
                    steps.withLock { $0.append("task") }
                    for _ in 0..<5 { await Task.yield() }
                    try await EventLoop.sleep(for: .milliseconds(20))
                    return 42
                }
                await Task.yield()
                steps.withLock { $0.append("body") }
                return task
            }
        }
        let task = try run()
        #expect(steps.value == ["task", "body"])
        #expect(try await task.value == 42)
    }

    @Test("hooks run after the body, the last one first, and can still do everything")
    func hooks() throws {
        let steps = Locked<[String]>([])
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let loop = EventLoop.current!
            for number in 1...3 {
                loop.onShutdown {
                    try? await EventLoop.sleep(for: .seconds(1))
                    _ = try? await EventLoop.offload { usleep(100) }
                    steps.withLock { $0.append("hook \(number) at \(clock.now.nanoseconds / 1_000_000_000)") }
                }
            }
            steps.withLock { $0.append("body") }
        }
        #expect(steps.value == ["body", "hook 3 at 1", "hook 2 at 2", "hook 1 at 3"])
    }

    @Test("a hook that takes too long is cancelled; one that does not care is left behind; the others run all the same")
    func slowHooks() throws {
        let steps = Locked<[String]>([])
        let clock = ManualClock()
        try EventLoop.run(clock: clock) {
            let loop = EventLoop.current!
            loop.onShutdown { steps.withLock { $0.append("last at \(clock.now.nanoseconds / 1_000_000_000)") } }
            loop.onShutdown(within: .seconds(2)) {
                try? await EventLoop.sleep(for: .seconds(3600))
                steps.withLock { $0.append("cancelled at \(clock.now.nanoseconds / 1_000_000_000)") }
            }
            loop.onShutdown(within: .seconds(5)) {
                await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
            }
        }
        #expect(steps.value == ["cancelled at 8", "last at 8"])
    }

    @Test("an error of the body comes out after the hooks have run")
    func hooksAfterError() throws {
        struct Failure: Error {}
        let ran = Locked(false)
        #expect(throws: Failure.self) {
            try EventLoop.run {
                EventLoop.current!.onShutdown { ran.value = true }
                throw Failure()
            }
        }
        #expect(ran.value)
    }

    @Test("stop from another thread ends a loop on a thread of its own, through its hooks")
    func stop() throws {
        let ended = DispatchlessSemaphore()
        let loop = try EventLoop.start(name: "stopped")
        loop.onShutdown { ended.signal() }
        loop.stop()
        #expect(ended.wait(seconds: 60))
        while loop.isRunning { sched_yield() }
        let pipe = try Pipe()
        try EventLoop.run {
            // A loop that has ended still does what is asked of it.
            let watch = Watch(FileDescriptor(rawValue: pipe.reader), on: loop)
            async let ready = watch.readable()
            try await EventLoop.sleep(for: .milliseconds(10))
            write(pipe.writer, [UInt8(1)], 1)
            #expect(try await ready.contains(.reading))
        }
    }

    @Test("a loop within a loop's job gives the thread back to the outer one")
    func nested() throws {
        try EventLoop.run {
            let outer = EventLoop.current!
            func inner() throws -> Int {
                try EventLoop.run {
                    #expect(EventLoop.current !== outer)
                    try await EventLoop.sleep(for: .microseconds(10))
                    return 42
                }
            }
            #expect(try inner() == 42)
            #expect(EventLoop.current === outer)
            try await EventLoop.sleep(for: .microseconds(10))
        }
    }
}
