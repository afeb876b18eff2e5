// What the tests of EventLoop need a whole process for: one sub-command each.
import AsyncFD
import CEventLoop
import EventLoop
import ProcessHazards
import SystemPackage
@preconcurrency import Glibc

@main
struct LoopProgram {
    static func main() throws {
        switch CommandLine.arguments.dropFirst().first {
        case "one-thread": try EventLoop.run { try await showThreads() }
        case "manual": try runOnManualClock()
        case "in-task": try runInsideTask()
        case "twice": for number in 1...2 { try EventLoop.run { await print("run \(number)") } }
        case "stop": try runUntilSignal()
        case "goodbye": try sayGoodbye()
        case "stubborn": try EventLoop.run(stopOn: [.terminate, .interrupt]) { await ignoreCancellation() }
        case "stuck": try EventLoop.run(stopOn: [.terminate, .interrupt]) { holdTheLoop() }
        case "default-again": try dieByDefault()
        case "late-signal": try endBeforeSignalArrives()
        case "fork-call":
            try EventLoop.run {
                let loop = EventLoop.current!  // the child runs none
                try await forked { loop.stop() }
            }
        case "fork-turn":
            try EventLoop.run {
                try await forked {
                } whenBack: {
                    try await EventLoop.sleep(for: .seconds(1))
                }
            }
        case "fork-run": try EventLoop.run { try await forked { runAgain() } }
        case "fork-exit": try forkAndExit()
        case "descriptors": try EventLoop.run { try await showInheritedDescriptors() }
        case "old-kernel": try EventLoop.run { try await waitWithoutPwait2(refusal: ENOSYS) }
        case "old-container": try EventLoop.run { try await waitWithoutPwait2(refusal: EPERM) }
        case "no-pidfd": try EventLoop.run { await waitWithoutPidfd() }
        case "interrupted": try EventLoop.run { try await surviveInterruptions() }
        default: exit(2)
        }
    }

    static func say(_ text: String) { _ = (text + "\n").withCString { write(1, $0, strlen($0)) } }

    // MARK: The executors

    static var threads: Int {
        guard let directory = opendir("/proc/self/task") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) { if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 } }
        return count
    }

    /// Everything that a Swift program does without thinking of an event loop, and what it costs in threads.
    static func showThreads() async throws {
        let loop = EventLoop.current!
        let home = pthread_self()
        let clock = ContinuousClock()
        let start = clock.now
        // The loop's own timers count the sleepers: `Task.sleep` has come to us.
        async let sleeping: Void = Task.sleep(for: .milliseconds(20))
        let detached = Task.detached {
            try await Task.sleep(for: .milliseconds(20), clock: .suspending)
            return pthread_self() == home
        }
        let unstructured = Task { @MainActor in
            try await Task.sleep(nanoseconds: 20_000_000)
            return pthread_self() == home
        }
        await Task.yield()
        await Task.yield()
        await Task.yield()
        let timers = loop.metrics.timers
        try await sleeping
        let strays = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    await Task.yield()
                    return pthread_self() == home
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 0 : 1) }
        }
        let atHome = try await [detached.value, unstructured.value]
        let slept = clock.now - start >= .milliseconds(20)
        say("threads \(threads), timers \(timers), strays \(strays), at home \(atHome), slept \(slept)")
    }

    static func runOnManualClock() throws {
        let clock = ManualClock()
        let start = clock.now
        try EventLoop.run(clock: clock) {
            try await Task.sleep(for: .seconds(86_400))
            try await withTimeout(.seconds(10)) { try await Task.sleep(for: .seconds(5)) }
            let late = Task { try await withTimeout(.seconds(10)) { try await Task.sleep(for: .seconds(60)) } }
            let isLate = if case .failure(is TimeoutError) = await late.result { true } else { false }
            say("\(Int(((clock.now - start) / .seconds(1)).rounded())) s, late \(isLate)")
        }
    }

    /// A main thread that is inside a task already: its process keeps its executors, and the loop runs the body all the
    /// same.
    static func runInsideTask() throws {
        let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(done, 0, 0)
        Task.detached {
            do { try run() } catch { say("\(error)") }
            exit(0)
        }
        sem_wait(done)

        func run() throws {
            try EventLoop.run {
                let home = EventLoop.current!
                try await EventLoop.sleep(for: .milliseconds(1))
                say("on a loop \(home.isCurrent)")
            }
        }
    }

    // MARK: Signals

    static func runUntilSignal() throws {
        signal(SIGINT, SIG_IGN)
        let signal = try EventLoop.run(stopOn: [.terminate, .interrupt]) {
            say("ready")
            do {
                try await Task.sleep(for: .seconds(3600))
            } catch {
                try? await Task { try await EventLoop.sleep(for: .milliseconds(1)) }.value
                say("stopping")
                throw error
            }
        }
        say("stopped by \(signal.map { "\($0)" } ?? "no signal")")
    }

    /// A server that is told to stop: it accepts no more clients, says goodbye to the one that it has, and ends.
    static func sayGoodbye() throws {
        try EventLoop.run(stopOn: [.terminate]) {
            let (client, server) = try await AsyncFD.socketPair()
            say("ready")
            _ = try? await server.read(upTo: 100)  // ends when the signal cancels this task
            try await withCancellationShield(within: .seconds(60)) {
                try await server.write("going away")
                await server.close()
                let goodbye = try await client.readToEnd(limit: 100)
                say(String(decoding: goodbye, as: UTF8.self))
                await client.close()
            }
        }
        say("ended")
    }

    static func ignoreCancellation() async {
        say("ready")
        while true {
            let isCancelled = Task.isCancelled
            if isCancelled { say("no") }
            await Task { try? await EventLoop.sleep(for: isCancelled ? .seconds(3600) : .milliseconds(1)) }.value
        }
    }

    static func holdTheLoop() {
        say("ready")
        while cel_signal_count(SIGTERM) == 0 { usleep(100) }
        say("heard")
        while true { usleep(100) }  // ThreadSanitizer delivers signals at calls that may wait, and nowhere else
    }

    /// After the last sequence of it has gone, a signal does again what it did.
    static func dieByDefault() throws {
        try EventLoop.run {
            try await waitForSignal()
            await Task.yield()
            say("again")
            try await Task.sleep(for: .seconds(3600))
        }
    }

    static func waitForSignal() async throws {
        let signals = try EventLoop.signals([.terminate])
        say("ready")
        for await signal in signals {
            say("\(signal)")
            break
        }
    }

    /// A signal that was sent during a subscription, and that the kernel has delivered to no thread when the
    /// subscription ends.
    static func endBeforeSignalArrives() throws {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR1)
        try EventLoop.run {
            let signals = try EventLoop.signals([.user1])
            pthread_sigmask(SIG_BLOCK, &set, nil)
            kill(getpid(), SIGUSR1)
            withExtendedLifetime(signals) {}
        }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        say("alive")
    }

    // MARK: Fork

    /// Swift hides fork(2), for good reasons.
    static func fork() -> pid_t {
        typealias Fork = @convention(c) () -> pid_t
        return unsafeBitCast(dlsym(nil, "fork")!, to: Fork.self)()
    }

    /// Says how a forked child ended that did `body` with its parent's loop.
    static func forked(_ body: () -> Void, whenBack: () async throws -> Void = {}) async throws {
        let child = fork()
        if child == 0 {
            signal(SIGILL, SIG_DFL)
            signal(SIGTRAP, SIG_DFL)
            body()
            try await whenBack()
            exit(0)
        }
        say("\(try await EventLoop.waitForExit(of: child))")
    }

    static func runAgain() {
        try? EventLoop.run {
            try await EventLoop.sleep(for: .milliseconds(1))
            say("in the child")
        }
    }

    /// A child that leaves by `exit` does not write what its parent has promised to write.
    static func forkAndExit() throws {
        try EventLoop.run {
            await print("once")
            if fork() == 0 { exit(0) }
            var status: CInt = 0
            wait(&status)
        }
    }
}
