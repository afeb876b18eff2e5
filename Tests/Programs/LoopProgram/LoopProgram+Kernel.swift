// The kernel in the way of a loop: inherited descriptors, missing system calls, interruptions.
import AsyncFD
import CEventLoop
import EventLoop
import ProcessHazards
import SystemPackage
@preconcurrency import Glibc

extension LoopProgram {
    /// Uses everything that opens descriptors, then becomes `ls`.
    static func showInheritedDescriptors() async throws {
        // what we were given
        for descriptor in CInt(3)..<1024 where fcntl(descriptor, F_GETFD) & FD_CLOEXEC == 0 { close(descriptor) }
        let ends = makePipe()
        let watch = Watch(FileDescriptor(rawValue: ends[0]))
        let waiting = Task { try await watch.readable() }
        let signals = Task { for await _ in try EventLoop.signals([.user1]) {} }
        let guest = try EventLoop.embedded(name: "guest")
        Task(executorPreference: guest) { try await EventLoop.sleep(for: .seconds(60)) }
        runOnce(guest)
        let other = try EventLoop.start(name: "other")
        var pid = pid_t()
        posix_spawn(&pid, "/bin/sleep", nil, nil, [strdup("sleep"), strdup("60"), nil], environ)
        let child = Task { [pid] in try await EventLoop.waitForExit(of: pid) }
        try await EventLoop.offload {}
        await print("used")
        try await EventLoop.sleep(for: .milliseconds(5))
        kill(pid, SIGKILL)
        _ = (waiting, signals, other, child)
        execv("/bin/ls", [strdup("ls"), strdup("/proc/self/fd"), nil])
    }

    static func makePipe() -> [CInt] {
        var ends: [CInt] = [0, 0]
        pipe(&ends)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return ends
    }

    static func runOnce(_ guest: EventLoop) {
        guest.runOnce()
        guest.runOnce()
    }

    /// A kernel before 5.11 does not know epoll_pwait2(2), and containers that are older than it refuse it.
    static func waitWithoutPwait2(refusal: CInt) async throws {
        if hazard_refuse(441, refusal) != 0 { say("no seccomp") }  // epoll_pwait2
        let start = ContinuousClock.now
        for _ in 0..<20 { try await EventLoop.sleep(for: .microseconds(300)) }
        if ContinuousClock.now - start < .milliseconds(6) { say("too short") }
        let ends = makePipe()
        let watch = Watch(FileDescriptor(rawValue: ends[0]))
        let written = Task {
            try await EventLoop.sleep(for: .milliseconds(1))
            return write(ends[1], [UInt8(1)], 1)
        }
        _ = try await withTimeout(.seconds(60)) { try await watch.readable() }
        say("woken by \(try await written.value) byte")
    }

    /// Where there is no pidfd_open(2), a thread waits for the end of a child, and the loop goes on: here it is the
    /// loop that ends the children.
    static func waitWithoutPidfd() async {
        if hazard_refuse(434, ENOSYS) != 0 { say("no seccomp") }
        alarm(60)
        let loop = EventLoop.current!
        func sayEnd(of pid: pid_t, _ endIt: @escaping () -> Void) async {
            let status = await withUnsafeContinuation { continuation in
                loop.whenExited(pid) { continuation.resume(returning: $0) }
                loop.after(.milliseconds(1)) { endIt() }
            }
            say(
                "\(status.map { "\($0)" } ?? "not known"), collected \(waitpid(pid, nil, WNOHANG) == -1 && errno == ECHILD)"
            )
        }
        let (reader, input) = startReader()
        await sayEnd(of: reader) { _ = write(input, "\n", 1) }
        let (killed, _) = startReader()
        await sayEnd(of: killed) { kill(killed, SIGKILL) }
        await sayEnd(of: killed) {}  // it is no child any more
    }

    /// A child that ends with 3 when it has read a line from `input`.
    static func startReader() -> (pid: pid_t, input: CInt) {
        let ends = makePipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        var pid = pid_t()
        posix_spawn(
            &pid, "/bin/sh", &actions, nil, [strdup("sh"), strdup("-c"), strdup("read line; exit 3"), nil], environ)
        return (pid, ends[1])
    }

    /// A thousand signals a second, whose handler interrupts every system call.
    static func surviveInterruptions() async throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGALRM, &action, nil)
        var timer = itimerval(
            it_interval: timeval(tv_sec: 0, tv_usec: 1000), it_value: timeval(tv_sec: 0, tv_usec: 1000))
        setitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer, nil)
        let ends = makePipe()
        let watch = Watch(FileDescriptor(rawValue: ends[0]))
        for _ in 0..<20 {
            let start = ContinuousClock.now
            try await EventLoop.sleep(for: .milliseconds(10))
            if ContinuousClock.now - start < .milliseconds(10) { say("too short") }
            let writer = ends[1]
            async let written = EventLoop.offload { write(writer, [UInt8(1)], 1) }
            try await watch.readable()
            var byte: UInt8 = 0
            if read(ends[0], &byte, 1) != 1 { say("nothing to read") }
            _ = try await written
        }
        say("survived")
    }
}
