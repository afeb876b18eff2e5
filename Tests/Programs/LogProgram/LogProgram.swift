// The ways in which programs end, and begin, with a logger: one sub-command each. Run by the tests as a child process.
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc

let logger = Logger.standard("program")

@main
struct LogProgram {
    static func main() throws {
        let arguments = CommandLine.arguments
        let lines = arguments.count > 2 ? Int(arguments[2]) ?? 3 : 3
        switch arguments.dropFirst().first {
        case "forget":  // the loop ends without flush or shutdown
            try EventLoop.run { await log(lines) }
        case "exit-in-task":
            try EventLoop.run {
                await log(lines)
                exit(7)
            }
        case "exit-in-thread":  // another thread ends the process while the loop sleeps
            try EventLoop.run {
                await log(lines)
                var thread = pthread_t()
                pthread_create(&thread, nil, exitFromThread, nil)
                try await EventLoop.sleep(for: .seconds(3600))
            }
        case "before-loop":  // logged before the loop runs, and after it has
            log(lines)
            try EventLoop.run { await log(lines) }
            log(lines)
        case "no-loop":  // never a loop at all
            log(lines)
        case "no-loop-exit":
            log(lines)
            exit(9)
        case "no-loop-abort":  // what was logged without a loop is out already
            log(lines)
            abort()
        case "threads":  // many threads, each with its own order
            try EventLoop.run { await logFromThreads(lines) }
        case "sync":  // a synchronous function on the loop, more than the buffer holds
            try EventLoop.run {
                logSynchronously(lines)
                await logger.shutdown(within: .seconds(60))
            }
        case "flood":  // one task, more than the buffer holds: it has to wait again and again
            try EventLoop.run { await log(lines) }
        case "split":  // both handlers
            try EventLoop.run {
                await logger.info("to standard output")
                await logger.error("to standard error")
            }
        case "executors":
            try EventLoop.run { try await showExecutors() }
        case "crash":  // how is the second argument, in which format the third; what was logged waits in memory
            try EventLoop.run {
                try await Crash(format: arguments.count > 3 ? arguments[3] : "standard").happen(arguments[2])
            }
        case "hazard": try Hazard.meet(arguments[2], Array(arguments.dropFirst(3)))  // which is the second argument
        // many loops, one after the other, each with a logger and a print; how many descriptors are left?
        case "loops":
            var thread = pthread_t()
            pthread_create(&thread, nil, runManyLoops, nil)
            pthread_join(thread, nil)
        case "idle":
            try EventLoop.run {
                let before = EventLoop.current!.metrics.turns
                try await EventLoop.sleep(for: .milliseconds(lines))
                await print(EventLoop.current!.metrics.turns - before)
            }
        case "hang":  // logs, tells that it has, and waits to be killed
            try EventLoop.run {
                await log(lines)
                try await logger.flush()
                await print("ready", to: .standardError)
                try await EventLoop.sleep(for: .seconds(3600))
            }
        case "fork":  // a forked child lets go of what its parent has made
            try EventLoop.run { try await letGoInForkedChild(arguments[2]) }
        case "lifetimes":  // what is left behind, and what may still be said: Lifetimes.swift
            try Lifetimes.happen(arguments[2], arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0)
        case "misused-writer":  // the fields of one record are written while another one is being made
            logger.info("outer") { outer in
                logger.info("inner") { inner in
                    inner["a"] = 1
                    outer["b"] = 2
                }
            }
        case "mixed":  // the logger and Swift's print share standard output
            try EventLoop.run { await logBetweenPrints(lines) }
        case "without-run": try WithoutRun.begin(arguments[2], arguments.count > 3 ? arguments[3] : "")
        case "local-time":  // one moment in the zone of the environment
            try EventLoop.run { try await showLocalTime() }
        case "spool-crash":  // crashes with records in a spool and in memory, and without a connection
            try EventLoop.run { try await crashWithSpool(arguments[2], UInt16(arguments[3])!) }
        case "compress":  // rotates, and ends while the compression is under way
            try EventLoop.run {
                try await endWhileCompressing(arguments[2], hasPidfd: arguments.dropFirst(3).first != "no-pidfd")
            }
        default:
            fputs("usage: LogProgram WAY [LINES]\n", stderr)
            exit(2)
        }
    }

    static func log(_ lines: Int) async {
        for line in 0..<lines { await logger.info("line \(line)") }
    }

    static func log(_ lines: Int) {
        for line in 0..<lines { logger.info("line \(line)") }
    }

    static func logSynchronously(_ lines: Int) { log(lines) }

    static func logFromThreads(_ lines: Int) async {
        let finished = AsyncStream<Void>.makeStream()
        for thread in 0..<4 {
            var handle = pthread_t()
            let job = Unmanaged.passRetained(ThreadJob(thread: thread, lines: lines, finished: finished.continuation))
            pthread_create(&handle, nil, logFromThread, job.toOpaque())
            pthread_detach(handle)
        }
        var left = 4
        for await _ in finished.stream {
            left -= 1
            if left == 0 { break }
        }
    }

    /// Swift hides fork(2), for good reasons: a child has none of its parent's threads. Releasing objects is no use
    /// of them, though.
    static func letGoInForkedChild(_ path: String) async throws {
        typealias Fork = @convention(c) () -> pid_t
        let fork = unsafeBitCast(dlsym(nil, "fork")!, to: Fork.self)
        var own: Logger? = Logger(
            "own", handlers: [try await FileHandler(FilePath(path + "/own.log"), formatter: TextFormatter())])
        var file: AsyncFD? = try await open(FilePath(path + "/file"), .writeOnly, options: .create)
        var watch: Watch? = Watch(.standardInput)
        var signals: SignalSequence? = try EventLoop.signals([.hangUp])
        await own?.info("from the parent")
        let child = fork()
        if child == 0 {
            (own, file, watch, signals) = (nil, nil, nil, nil)
            exit(0)
        }
        let end = try await EventLoop.waitForExit(of: child)
        await own?.info("child \(end)")
        try await own?.flush()
        await file?.close()
        withExtendedLifetime((watch, signals)) {}
    }

    /// What runs where: every line should say the same thread.
    static func showExecutors() async throws {
        func say(_ what: String) async { await print(what, syscallThreadID()) }
        await say("body")
        await Task { await say("task") }.value
        await Task.detached { await say("detached") }.value
        await Task { @MainActor in await say("main actor") }.value
        await withTaskGroup(of: Void.self) { group in group.addTask { await say("group") } }
        try await Task.sleep(for: .milliseconds(1))
        await say("sleep")
        async let child: Void = say("async let")
        await child
        var directory = 0
        if let handle = opendir("/proc/self/task") {
            while let entry = readdir(handle) { directory += entry.pointee.d_name.0 == UInt8(ascii: ".") ? 0 : 1 }
            closedir(handle)
        }
        await print("threads", directory)
    }

    nonisolated static func syscallThreadID() -> UInt { UInt(pthread_self()) }

    static func logBetweenPrints(_ lines: Int) async {
        for line in 0..<lines {
            Swift.print("print \(line)")
            fflush(stdout)
            await logger.info("log \(line)")
            await Task.yield()
        }
    }
}

/// What one thread of "threads" has to do.
final class ThreadJob: Sendable {
    let thread: Int
    let lines: Int
    let finished: AsyncStream<Void>.Continuation

    init(thread: Int, lines: Int, finished: AsyncStream<Void>.Continuation) {
        self.thread = thread
        self.lines = lines
        self.finished = finished
    }
}

nonisolated func exitFromThread(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? { exit(8) }

nonisolated func logFromThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let job = Unmanaged<ThreadJob>.fromOpaque(argument!).takeRetainedValue()
    for line in 0..<job.lines { logger.info("thread \(job.thread) line \(line)") }
    job.finished.yield()
    return nil
}

nonisolated func runManyLoops(_: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    func openDescriptors() -> Int { (0..<1000).count { fcntl($0, F_GETFD) >= 0 } }
    func run() {
        do {
            try EventLoop.run {
                await Logger.standard("loop").info("a line")
                await print("a print")
            }
        } catch {
            fatalError("\(error)")
        }
    }
    run()
    let before = openDescriptors()
    for _ in 0..<100 { run() }
    fputs("descriptors left behind: \(openDescriptors() - before)\n", stderr)
    return nil
}
