// A program of this package as a child process, with its descriptors under the test's control.
//
// What concerns a whole process (exit, signals, a closed standard output, the one thread) cannot be tested from within
// a test runner.
import Glibc

/// A running child. Close what you opened; `wait` for what you started.
public final class ChildProcess {
    public let pid: pid_t

    /// Where a descriptor of the child leads.
    public enum Stream: Sendable {
        /// The child's number is a copy of this descriptor of ours.
        case descriptor(CInt)
        case closed
        case path(String, flags: CInt)

        public static var null: Stream { .path("/dev/null", flags: O_RDWR) }
    }

    /// Starts a program that was built beside the tests.
    ///
    /// - Parameters:
    ///   - program: its product name, or an absolute path.
    ///   - environment: added to the runner's own.
    public init(
        _ program: String, _ arguments: [String] = [], input: Stream = .null, output: Stream = .null,
        error: Stream = .null,
        environment: [String: String] = [:]
    ) throws {
        let path = ChildProcess.path(of: program)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, stream) in [(CInt(0), input), (1, output), (2, error)] {
            switch stream {
            case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
            case .closed: posix_spawn_file_actions_addclose(&actions, number)
            case .path(let path, let flags): posix_spawn_file_actions_addopen(&actions, number, path, flags, 0o644)
            }
        }
        // A runner may ignore or block what its children must not: they start as from a shell.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))

        var words = ([path] + arguments).map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var settings = ["SWIFT_BACKTRACE=enable=no"] + environment.map { "\($0)=\($1)" }
        var variable = environ
        while let entry = variable.pointee.map({ String(cString: $0) }) {
            // What a program prints must not depend on how wide the window is in which the tests run.
            if !entry.hasPrefix("COLUMNS=") { settings.append(entry) }
            variable += 1
        }
        var block = settings.map { strdup($0) } + [nil]
        defer { block.forEach { free($0) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, path, &actions, &attributes, &words, &block)
        guard code == 0 else { throw SystemError(operation: "posix_spawn \(path)", errno: code) }
        self.pid = pid
    }

    /// Where a program of this package lies, or the absolute path itself.
    public static func path(of program: String) -> String {
        program.hasPrefix("/") ? program : products + "/" + program
    }

    /// How a child ended.
    public enum End: Equatable, Sendable {
        case exited(CInt)
        case signalled(CInt)
    }

    /// Waits for the child's end. A child that is still alive after `limit` seconds is killed, and the end says so.
    @discardableResult
    public func wait(limit: Double = 60) throws -> End {
        let watch = Watchdog(pid, after: limit)
        defer { watch.cancel() }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw SystemError(operation: "waitpid", errno: errno) }
        }
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
    }

    public func signal(_ number: CInt) { kill(pid, number) }

    /// The folder in which the build system put this package's programs: the one that the test program lies in.
    private static let products: String = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return String(own[..<(own.lastIndex(of: "/") ?? own.endIndex)])
    }()
}

/// Kills a child that hangs, so that a test fails instead of never ending.
private final class Watchdog {
    private let watch: Watch

    init(_ pid: pid_t, after limit: Double) {
        watch = Watch(pid, after: limit)
        detachThread { [watch] in watch.run() }
    }

    func cancel() { sem_post(watch.semaphore) }

    /// Kept by both sides: the one that posts may still be inside of `sem_post` when the other has long been woken.
    ///
    /// Unchecked: a semaphore is made for any thread; the deadline is the watching thread's alone.
    private final class Watch: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        private let pid: pid_t
        private var deadline = timespec()

        init(_ pid: pid_t, after limit: Double) {
            self.pid = pid
            sem_init(semaphore, 0, 0)
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_sec += Int(limit)
        }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func run() {
            while sem_timedwait(semaphore, &deadline) != 0 {
                if errno == EINTR { continue }
                kill(pid, SIGKILL)
                return
            }
        }
    }
}

/// A system call of the test itself failed.
public struct SystemError: Error, CustomStringConvertible {
    public let operation: String
    public let errno: CInt

    public init(operation: String, errno: CInt) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String { "\(operation): \(String(cString: strerror(errno)))" }
}
