// What can happen to a program that logs, beside a plain crash: signals that are survived, descriptors that another
// file takes over, forks, crashes of other threads. One sub-command of `hazard` each.
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc
import ProcessHazards
import SystemPackage

enum Hazard {
    static func meet(_ name: String, _ words: [String]) throws {
        switch name {
        case "survive":
            try survive(
                CInt(words[0])!, onThread: words[1] == "thread",
                reaction: words[2] == "returns" ? hazard_returns : hazard_jumps)
        case "cause": try crash(CInt(words[0])!, with: hazard_reports, onThread: words[1] == "thread")
        case "ended": try crash(SIGSEGV, with: hazard_exits, onThread: false)
        case "replaced": try replace(words[0], FilePath(words[1]))
        case "refused": try refuse()
        case "race": try race(FilePath(words[0]), microseconds: UInt32(words[1])!)
        case "flood": try EventLoop.run { await flood(output()) }
        // with the number of the signal that has ended it
        case "written": exit(hazard_signal_after_write(CInt(words[0])!))
        case "overflow": try overflow(words[0])
        case "fork": try fork(words[0])
        default: exit(2)
        }
    }

    private static func output() -> Logger {
        Logger("program", handlers: [StreamHandler(.standardOutput, formatter: TextFormatter())])
    }

    private static func log(_ logger: Logger, _ lines: Range<Int>) { for line in lines { logger.info("line \(line)") } }

    // MARK: Signals with a handler of the program's own

    /// 1000 lines, a signal that the program's own handler survives, 1000 lines more.
    private static func survive(_ signal: CInt, onThread: Bool, reaction: hazard_reaction) throws {
        hazard_handle(signal, reaction)
        try EventLoop.run {
            let logger = output()
            log(logger, 0..<1000)
            if onThread {
                inThread { hazard_survive(signal) }
            } else if reaction == hazard_returns {
                raise(signal)
            } else {
                hazard_survive(signal)
            }
            log(logger, 1000..<2000)
            try await logger.flush()
            for line in 2000..<2003 { await logger.info("line \(line)") }
        }
    }

    private static func crash(_ signal: CInt, with reaction: hazard_reaction, onThread: Bool) throws {
        hazard_handle(signal, reaction)
        try EventLoop.run {
            let logger = output()
            log(logger, 0..<1000)
            if onThread { inThread { hazard_fault(signal) } } else { hazard_fault(signal) }
        }
    }

    // MARK: Descriptors

    /// Standard output is closed, and its number becomes a file's; then the program crashes.
    private static func replace(_ how: String, _ path: FilePath) throws {
        try EventLoop.run {
            let descriptor = AsyncFD(owning: FileDescriptor(rawValue: 1))
            let logger = Logger("program", handlers: [StreamHandler(descriptor, formatter: TextFormatter())])
            await logger.info("before")
            try await logger.flush()
            switch how {
            case "noticed":  // a write has failed by then
                close(1)
                log(logger, 0..<8)
                try? await logger.flush()
            case "unnoticed": break
            case "closed": await descriptor.close()
            default: exit(2)
            }
            let number = path.withPlatformString { hazard_replace(1, $0) }
            guard number == 1 else { exit(3) }
            log(logger, 8..<16)
            abort()
        }
    }

    /// A file system on which writes without waiting are refused for as long as the crash may take.
    private static func refuse() throws {
        try EventLoop.run {
            let logger = output()
            log(logger, 0..<1000)
            guard hazard_refuse_nowait() == 0 else { exit(77) }
            abort()
        }
    }

    // MARK: Crashes at any moment

    /// The loop logs to a file without end; after a while another thread crashes.
    private static func race(_ path: FilePath, microseconds: UInt32) throws {
        try EventLoop.run {
            let logger = Logger(
                "program",
                handlers: [try await FileHandler(path, formatter: TextFormatter(pattern: TextPattern("{message}")))])
            inBackground {
                usleep(microseconds)
                hazard_fault(SIGSEGV)
            }
            await flood(logger)
        }
    }

    private static func flood(_ logger: Logger) async {
        var line = 0
        while true {
            await logger.info("line \(line)")
            line += 1
        }
    }

    // MARK: Stacks

    private static func overflow(_ place: String) throws {
        switch place {
        case "thread":  // that has logged
            try EventLoop.run {
                let logger = output()
                inBackground {
                    logger.info("line 0")
                    exit(hazard_overflow(1))
                }
                try await EventLoop.sleep(for: .seconds(3600))
            }
        case "silent":  // a thread that has never logged, and has asked
            try EventLoop.run {
                await output().info("line 0")
                inBackground {
                    CrashFlush.coverThread()
                    exit(hazard_overflow(1))
                }
                try await EventLoop.sleep(for: .seconds(3600))
            }
        case "maker":  // one that has made a logger, and not logged
            let loop = try EventLoop.start(name: "log")
            let logger = onLoop(loop) { output() }
            inThread { logger.info("line 0") }
            _ = Logger.standard("unused")
            exit(hazard_overflow(1))
        case "offload":
            try EventLoop.run {
                await output().info("line 0")
                _ = try await EventLoop.offload { hazard_overflow(1) }
            }
        case "nested":  // run within run; it is the outer one that overflows
            try EventLoop.run {
                let logger = output()
                await logger.info("line 0")
                nest()
                exit(hazard_overflow(1))
            }
        case "main":  // the loop has a thread of its own
            let loop = try EventLoop.start(name: "log")
            let logger = onLoop(loop) { output() }
            logger.info("line 0")
            exit(hazard_overflow(1))
        case "task":  // the same, in a task of Swift's own pool
            let loop = try EventLoop.start(name: "log")
            let logger = onLoop(loop) { output() }
            Task.detached {
                await logger.info("line 0")
                exit(hazard_overflow(1))
            }
            sleep(3600)
        default: exit(2)
        }
    }

    private static func nest() {
        do { try EventLoop.run { try await EventLoop.sleep(for: .milliseconds(1)) } } catch { exit(4) }
    }

    // MARK: Forks

    private static func fork(_ how: String) throws {
        if how.hasPrefix("beside-") {
            let loop = try EventLoop.start(name: "log")
            let logger = onLoop(loop) { output() }
            logger.info("parent")
            waitUntilOthersSleep()
            let child = hazard_fork()
            if child == 0 { beTheChild(how, logger) }
            var status: CInt = 0
            waitpid(child, &status, 0)
            logger.info("child \(status)")
            return
        }
        try EventLoop.run {
            let logger = output()
            log(logger, 0..<100)
            let child = hazard_fork()
            if child == 0 { beTheChild(how, logger) }
            var status: CInt = 0
            waitpid(child, &status, 0)
            await logger.info("child \(status)")
        }
    }

    /// A child has the locks of its parent's other threads, as they were: Swift's runtime has some. One that sleeps in
    /// its loop holds none.
    private static func waitUntilOthersSleep() {
        var quiet = 0
        while quiet < 3 {
            usleep(2000)
            quiet = hazard_other_threads_sleep() != 0 ? quiet + 1 : 0
        }
    }

    private static func beTheChild(_ how: String, _ logger: Logger) -> Never {
        switch how {
        case "crash": abort()
        case "logs", "beside-logs":
            for _ in 0..<3 { logger.info("from the child") }
            logger["below"].error("from the child")
            _exit(5)
        case "waits", "beside-waits": child { await logger.info("from the child") }
        case "flushes", "beside-flushes":
            child {
                do {
                    try await logger.flush()
                    fputs("flushed\n", stderr)
                } catch { fputs("\(error)\n", stderr) }
                _ = await logger.ledger
                await logger.shutdown(within: .seconds(1))
            }
        case "own", "beside-own": child { await log(own: 3) }
        case "own-crash", "beside-own-crash":
            child {
                let own = Logger("child", handlers: [StreamHandler(.standardOutput, formatter: TextFormatter())])
                log(own, 0..<3)
                abort()
            }
        default: _exit(2)
        }
    }

    private static func log(own lines: Int) async {
        let own = Logger("child", handlers: [StreamHandler(.standardOutput, formatter: TextFormatter())])
        for line in 0..<lines { await own.info("line \(line)") }
    }

    /// A loop of the child's own.
    private static func child(_ body: @escaping () async -> Void) -> Never {
        do { try EventLoop.run { await body() } } catch { fputs("run: \(error)\n", stderr) }
        _exit(5)
    }

    /// What `body` makes on the loop's thread.
    private static func onLoop(_ loop: EventLoop, _ body: @escaping @Sendable () -> Logger) -> Logger {
        let made = Made()
        loop.perform {
            made.logger = body()
            sem_post(made.done)
        }
        sem_wait(made.done)
        return made.logger!
    }

    /// Unchecked: written before the semaphore is posted, read after it has been waited for.
    private final class Made: @unchecked Sendable {
        let done: UnsafeMutablePointer<sem_t>
        var logger: Logger?
        init() {
            done = .allocate(capacity: 1)
            sem_init(done, 0, 0)
        }
    }
}

// MARK: Threads

private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

@discardableResult
private func inBackground(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(Body(body)).toOpaque())
    return thread
}

private func inThread(_ body: @escaping @Sendable () -> Void) { pthread_join(inBackground(body), nil) }
