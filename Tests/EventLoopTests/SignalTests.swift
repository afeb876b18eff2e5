// Signals and children, with the test runner's own threads present. What kills a process is in ProcessTests.
import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite("Signals and children", .serialized)
struct SignalTests {
    private func disposition(_ signal: EventLoop.Signal) -> Bool {
        var action = sigaction()
        sigaction(signal.rawValue, nil, &action)
        return action.__sigaction_handler.sa_handler == nil  // SIG_DFL
    }

    @Test("a signal arrives whichever thread the kernel gives it to, and afterwards does by default what it did")
    func delivery() throws {
        #expect(disposition(.user1))
        try EventLoop.run {
            try await {
                var signals = try EventLoop.signals([.user1, .user2]).makeAsyncIterator()
                for signal in [EventLoop.Signal.user1, .user2, .user1] {
                    kill(getpid(), signal.rawValue)
                    #expect(await signals.next() == signal)
                }
                #expect(!disposition(.user1))
            }()
            await Task.yield()
        }
        #expect(disposition(.user1))
        #expect(disposition(.user2))
    }

    @Test("a loop that has ended swallows no signal, though a task of it still waits for one")
    func endOfLoop() throws {
        try EventLoop.run {
            let loop = EventLoop.current!
            Task(executorPreference: loop) { for await _ in try EventLoop.signals([.user2]) {} }
            while loop.waiters == 0 { await Task.yield() }
            #expect(!disposition(.user2))
        }
        #expect(disposition(.user2))
    }

    @Test("what arrives while no task waits is kept, one of each kind")
    func pending() throws {
        try EventLoop.run {
            var signals = try EventLoop.signals([.user1, .user2]).makeAsyncIterator()
            for signal in [SIGUSR2, SIGUSR1] { kill(getpid(), signal) }
            let subscription = EventLoop.current!.signalSubscriptions[0]
            while subscription.pending.count < 2 { await Task.yield() }
            // Another one may come late, to whichever thread; when another subscription has been told of it, so has the
            // first.
            var others = try EventLoop.signals([.user1]).makeAsyncIterator()
            kill(getpid(), SIGUSR1)
            #expect(await others.next() == .user1)
            #expect(subscription.pending.count == 2)
            #expect(Set([await signals.next(), await signals.next()]) == [.user1, .user2])
            let none = Task(executorPreference: EventLoop.current!) { [signals] in
                var signals = signals
                return await signals.next()
            }
            await Task.yield()
            none.cancel()
            #expect(await none.value == nil)
        }
    }

    @Test("every loop that wants a signal gets it, also one that sleeps on another thread")
    func severalLoops() throws {
        let loops = try (0..<3).map { try EventLoop.start(name: "signals \($0)") }
        defer { loops.forEach { $0.stop() } }
        let (ready, ended) = (DispatchlessSemaphore(), DispatchlessSemaphore())
        let seen = Locked<[EventLoop.Signal?]>([])
        for loop in loops {
            Task(executorPreference: loop) {
                var signals = try EventLoop.signals([.windowChanged]).makeAsyncIterator()
                ready.signal()
                let signal = await signals.next()
                seen.withLock { $0.append(signal) }
                ended.signal()
            }
        }
        for _ in loops { #expect(ready.wait(seconds: 60)) }
        kill(getpid(), SIGWINCH)
        for _ in loops { #expect(ended.wait(seconds: 60)) }
        #expect(seen.value == [.windowChanged, .windowChanged, .windowChanged])
    }

    @Test("a signal that cannot be caught is refused", arguments: [SIGKILL, SIGSTOP, SIGSEGV, 0, 65, -1] as [CInt])
    func uncatchable(number: CInt) throws {
        try EventLoop.run {
            let error = #expect(throws: EventLoopError.self) {
                try EventLoop.signals([EventLoop.Signal(rawValue: number)])
            }
            #expect(error?.errno == .invalidArgument)
        }
    }

    @Test("the end of a child is told as it was, and the child is collected")
    func children() throws {
        try EventLoop.run { () async throws in
            func end(_ script: String) async throws -> TerminationStatus {
                let child = try ChildProcess("/bin/sh", ["-c", script])
                return try await EventLoop.waitForExit(of: child.pid)
            }
            #expect(try await end("exit 0") == .exited(0))
            #expect(try await end("sleep 0.01; exit 3") == .exited(3))
            #expect(try await end("kill -9 $$") == .killed(EventLoop.Signal(rawValue: SIGKILL), dumpedCore: false))
            #expect("\(try await end("kill -TERM $$"))" == "killed by SIGTERM")
        }
    }

    @Test("fifty children at once: each one's own end, no signal handler, no descriptor left")
    func manyChildren() throws {
        try EventLoop.run {
            let codes = try await withThrowingTaskGroup(of: TerminationStatus.self) { group in
                for code in 0..<50 {
                    let child = try ChildProcess("/bin/sh", ["-c", "exit \(code)"])
                    group.addTask { try await EventLoop.waitForExit(of: child.pid) }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert("\($1)") }
            }
            #expect(codes == Set((0..<50).map { "exited with \($0)" }))
            #expect(EventLoop.current!.poller.count == 0)
            #expect(disposition(EventLoop.Signal(rawValue: SIGCHLD)))
        }
    }

    @Test("a process that is not our child is an error")
    func foreignChild() throws {
        try EventLoop.run {
            await #expect(throws: EventLoopError.self) { try await EventLoop.waitForExit(of: 1) }
            await #expect(throws: EventLoopError.self) { try await EventLoop.waitForExit(of: 1 << 22 + 1) }
        }
    }
}
