// Waiting for the end of a child process, without SIGCHLD: a handler of ours would take the signal away from others,
// and one signal may stand for many children. A pidfd is a descriptor like any other, readable when its process has
// ended.
import CEventLoop
import Glibc
import SystemPackage

/// How a child process ended.
public enum TerminationStatus: Sendable, Equatable, CustomStringConvertible {
    /// It returned from `main` or called `exit`, with this code.
    case exited(CInt)
    /// This signal killed it.
    case killed(EventLoop.Signal, dumpedCore: Bool)

    public var description: String {
        switch self {
        case .exited(let code): "exited with \(code)"
        case .killed(let signal, let dumpedCore): "killed by \(signal)\(dumpedCore ? " (core dumped)" : "")"
        }
    }
}

extension EventLoop {
    /// Suspends the task until the child process `pid` has ended, and collects it: after that the number is free for
    /// another process.
    ///
    ///     let status = try await EventLoop.waitForExit(of: child)
    ///
    /// `pid` must be a child of this process that no other code waits for. On the current loop; outside of any, on the
    /// main loop. If the task is cancelled, the child lives on and is not collected; the caller may wait again.
    ///
    /// - Throws: `CancellationError`; `EventLoopError` with `ECHILD` or `ESRCH` if there is no such child, `ENOSYS` on
    ///   Linux before 5.3, `EMFILE`.
    public static func waitForExit(of pid: pid_t) async throws -> TerminationStatus {
        try await onCurrentLoop("waitForExit") { _ in try await waitForExitHere(of: pid) }
    }

    private static func waitForExitHere(of pid: pid_t) async throws -> TerminationStatus {
        let pidfd = cel_pidfd_open(pid)
        guard pidfd >= 0 else { throw EventLoopError(operation: "pidfd_open(\(pid))", errno: Errno(rawValue: errno)) }
        defer { close(pidfd) }
        let watch = Watch(FileDescriptor(rawValue: pidfd))
        defer { watch.close() }
        while true {
            if let status = try collect(pidfd, pid) { return status }
            try await waitUntilReadable(watch)
        }
    }

    private static func waitUntilReadable(_ watch: Watch) async throws {
        do {
            try await watch.readable()
        } catch {
            if error.code == .cancelled { throw CancellationError() }
            throw error
        }
    }

    private static func collect(_ pidfd: CInt, _ pid: pid_t) throws(EventLoopError) -> TerminationStatus? {
        try collect(pid) { cel_pidfd_reap(pidfd, &$0, &$1) }
    }

    /// Nil: it has not ended.
    private static func collect(_ pid: pid_t, _ reap: (inout CInt, inout CInt) -> CInt) throws(EventLoopError)
        -> TerminationStatus?
    {
        var (code, status) = (CInt(0), CInt(0))
        switch reap(&code, &status) {
        case 0: return nil
        case 1:
            return code == CInt(CLD_EXITED)
                ? .exited(status) : .killed(EventLoop.Signal(rawValue: status), dumpedCore: code == CInt(CLD_DUMPED))
        default: throw EventLoopError(operation: "waitid(\(pid))", errno: Errno(rawValue: errno))
        }
    }

    /// Collects the child when it has ended, and calls `body` with its status; with nil if other code has collected it.
    /// For the layers above, where no task may run any more. Loop thread.
    package func whenExited(_ pid: pid_t, _ body: @escaping (TerminationStatus?) -> Void) {
        let pidfd = cel_pidfd_open(pid)
        guard pidfd >= 0, let registration = try? register(pidfd) else {
            if pidfd >= 0 { close(pidfd) }
            return waitOnThread(for: pid, body)
        }
        collect(pid, pidfd, registration, body)
    }

    private func collect(
        _ pid: pid_t, _ pidfd: CInt, _ registration: Registration, _ body: @escaping (TerminationStatus?) -> Void
    ) {
        let end = Result { () throws(EventLoopError) in try EventLoop.collect(pidfd, pid) }
        if case .success(nil) = end {
            if case .go(let edge) = registration.attempt(.read) { registration.clear(.read, edge, by: .wouldBlock) }
            registration.whenReady(.read) { [self] _ in collect(pid, pidfd, registration, body) }
            return
        }
        registration.close()
        close(pidfd)
        body(try? end.get())
    }

    /// Without a pidfd, a thread waits. It does not collect the child, so that the number stays the child's until the
    /// loop knows of the end.
    private func waitOnThread(for pid: pid_t, _ body: @escaping (TerminationStatus?) -> Void) {
        let work = OffloadedWork {
            _ = cel_child_wait(pid)
        } on: {
            body(try? EventLoop.collect(pid) { cel_child_reap(pid, &$0, &$1) })
        }
        // No thread can be started: the status stays unknown.
        if !childPool.submit(work) { soon { body(nil) } }
    }
}
