// A program of the system that reads its standard input and writes its standard output, both of them files: `gzip -c`.
//
// It is a process of its own, so what it computes delays no task. A pidfd reports its end.
import EventLoop
import Glibc
import SystemPackage

/// The path of such a program, and its arguments.
package struct FilterProgram: Sendable {
    package let name: String
    private let path: FilePath
    private let arguments: [String]

    /// Looks the program up as a shell would. Blocks for as long as looking into the folders on `PATH` takes.
    ///
    /// - Throws: `.notFound` if there is none that may be run.
    package init(named name: String, _ arguments: [String]) throws(IOError) {
        let folders = environmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin"
        let places = folders.split(separator: ":").map { FilePath(String($0)).appending(name) }
        guard let path = places.first(where: Syscalls.mayRun) else {
            throw IOError("find", on: "the program \(name) on PATH", Errno.noSuchFileOrDirectory)
        }
        self.name = name
        self.path = path
        self.arguments = arguments
    }

    /// Starts it. A thread of the pool. Its signals are as a shell leaves them; it is in a process group of its own, so
    /// that Ctrl-C, which is meant for this process, does not end it. Its standard error is discarded.
    package func start(input: CInt, output: CInt) throws(IOError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var words = ([name] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var pid = pid_t()
        let started = path.withPlatformString { path in
            Syscalls.retried {
                let code = posix_spawn(&pid, path, &actions, &attributes, &words, environ)
                errno = code
                return code == 0 ? 0 : -1
            }
        }
        if let errno = started.errno { throw IOError("posix_spawn", on: "\"\(path)\"", errno) }
        return pid
    }

    /// Ends one that was started and has not been collected: afterwards the number may be another process'.
    package static func kill(_ pid: pid_t) { _ = Glibc.kill(pid, SIGKILL) }

    /// Its error, if it failed.
    package func error(_ status: TerminationStatus?, on path: FilePath) -> IOError? {
        if status == .exited(0) { return nil }
        let end = status.map { "\($0)" } ?? "its status was collected by other code"
        return IOError(name, on: "\"\(path)\" (\(end))", .programFailed)
    }
}
