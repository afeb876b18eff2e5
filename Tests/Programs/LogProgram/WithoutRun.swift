// Programs that use the libraries before `EventLoop.run`, after it, or without it: one way each, named by the first
// argument behind `without-run`.
import AsyncFD
import AsyncLog
import EventLoop
import Synchronization
import TestSupport
@preconcurrency import Glibc

enum WithoutRun {
    static func begin(_ way: String, _ path: String) throws {
        switch way {
        case "tasks": tasks()
        case "everything": everything(in: path)
        case "stalled": logIntoStalledPipe()
        case "awaited": awaitCalls(inTasks: 50)
        case "figures": askForFigures()
        case "take-over": try takeOver()
        case "change-hands": try changeHands()
        case "hang-up": try listenToHangUp(path)
        case "at-exit": logAtExit()
        case "exit-under-load": try exitUnderLoad()
        case "return-under-load-output", "return-under-load-file", "return-under-load-spool",
            "return-under-load-socket":
            try returnUnderLoad(to: String(way.split(separator: "-").last!), path)
        case "after-run": try useTasksAfterRun()
        case "main-actor": try useMainActorAfterRun()
        case "clock": try runOnTwoClocks()
        default: exit(2)
        }
    }

    /// Holds the main thread up, as a synchronous program would, until all `bodies` have ended; says which have.
    private static func runAll(_ bodies: [(String, @Sendable () async throws -> Void)]) {
        let done = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(done, 0, 0)
        for (name, body) in bodies {
            nonisolated(unsafe) let done = done
            Task.detached {
                do {
                    try await body()
                    fputs("\(name): done\n", stderr)
                } catch {
                    fputs("\(name): \(error)\n", stderr)
                }
                sem_post(done)
            }
        }
        for _ in bodies { while sem_wait(done) != 0 {} }
    }

    /// Tasks of Swift's own pool that need the loop at the same time, again and again.
    static func tasks() {
        runAll([
            (
                "flush",
                {
                    for _ in 0..<200 {
                        await logger.info("flushed")
                        try await logger.flush()
                    }
                }
            ),
            ("ledger", { for _ in 0..<200 { _ = await logger.ledger } }),
            ("print", { for _ in 0..<200 { await print("printed") } }),
            ("shutdown", { for _ in 0..<200 { _ = await Logger.standard("other").shutdown(within: .seconds(60)) } }),
        ])
    }

    /// What needs the loop, each from a task that is on none.
    static func everything(in path: String) {
        let file = FilePath(path + "/file")
        runAll([
            (
                "open",
                {
                    let file = try await open(file, .readWrite, options: .create, permissions: .ownerReadWrite)
                    try await file.write("text")
                    await file.close()
                }
            ),
            ("offload", { _ = try await EventLoop.offload { getpid() } }),
            (
                "handler",
                {
                    let handler = try await FileHandler(FilePath(path + "/app.log"), formatter: TextFormatter())
                    await Logger("app", handlers: [handler]).info("logged")
                    await handler.close()
                }
            ),
            (
                "pipe",
                {
                    let (reader, writer) = try await AsyncFD.pipe()
                    async let read = reader.read(upTo: 10)
                    try await writer.write("x")
                    guard try await read == Array("x".utf8) else { exit(3) }
                    await reader.close()
                    await writer.close()
                }
            ),
            (
                "connection",
                {
                    let handler = SocketHandler(.unix(path + "/no-server"), formatter: TextFormatter())
                    handler.reportTroubles(to: MemoryHandler())
                    await Logger("app", handlers: [handler]).info("without a reader")
                    let dropped = await handler.close(within: .milliseconds(1)).dropped
                    guard dropped == [.failure: 1] || dropped == [.timeout: 1] else { exit(3) }
                }
            ),
            ("sleep", { try await EventLoop.sleep(for: .milliseconds(1)) }),
        ])
    }

    /// A plain call never waits, whatever becomes of the records.
    static func logIntoStalledPipe() {
        for line in 0..<100_000 {
            logger.info("line \(line) of very many, far more than fit into the pipe and into the handler's buffer")
        }
        fputs("all calls have returned\n", stderr)
    }

    private static let started = Atomic<Int>(0)

    /// Fills the pipe, the buffer and the way to the loop; then tasks await calls for which there is no room. Reports
    /// when they do, and what became of all records. Before the test reads, nothing changes.
    static func awaitCalls(inTasks count: Int) {
        let logger = Logger("app", handlers: [StreamHandler(.standardOutput, formatter: TextFormatter())])
        let text = String(repeating: "x", count: 4096)
        runAll([
            (
                "awaited",
                {
                    while await logger.ledger.droppedTotal == 0 { for _ in 0..<100 { logger.nowait.info("\(text)") } }
                    let before = await logger.ledger.droppedTotal
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<count {
                            group.addTask {
                                started.add(1, ordering: .relaxed)
                                await logger.info("awaited")
                            }
                        }
                        while started.load(ordering: .relaxed) < count { await Task.yield() }
                        _ = await logger.ledger
                        fputs("full\n", stderr)
                    }
                    let ledger = await logger.ledger
                    fputs("dropped: \(ledger.droppedTotal - before), balances: \(ledger.balances)\n", stderr)
                }
            )
        ])
    }

    /// Asks for a handler's figures and state, again and again, on threads that are not the loop's, while records come.
    static func askForFigures() {
        // Under ThreadSanitizer, which sees the first race, the loop falls behind the records, and each visit waits for
        // all that are on their way.
        let repetitions = dlsym(nil, "__tsan_init") == nil ? 10_000 : 20
        let handler = StreamHandler(.standardOutput, formatter: TextFormatter(), capacity: 4096, overflow: .dropOldest)
        let logger = Logger("app", handlers: [handler])
        runAll(
            [
                (
                    "log",
                    {
                        // With pauses: a visit to the loop has to wait for all records that were posted before it.
                        while !isOver.load(ordering: .relaxed) {
                            for _ in 0..<50 {
                                logger.nowait.info("a line for which others are dropped before long")
                            }
                            usleep(20)
                        }
                    }
                ),
                (
                    "figures",
                    {
                        await withTaskGroup(of: Void.self) { group in
                            for _ in 0..<3 {
                                group.addTask {
                                    for _ in 0..<repetitions {
                                        guard await handler.statistics.ledger.balances else { exit(3) }
                                        _ = await handler.state
                                    }
                                }
                            }
                        }
                        isOver.store(true, ordering: .relaxed)
                    }
                ),
            ])
    }

    /// `run` gets the loop although its reader has stopped, and other threads keep its stand-in busy.
    static func takeOver() throws {
        for _ in 0..<3 {
            detachThread { while true { logger.info("busy, with more than fits into the pipe before long") } }
        }
        usleep(50_000)
        try EventLoop.run {
            fputs("taken over", stderr)
            _exit(0)
        }
    }

    private static let isOver = Atomic<Bool>(false)

    /// The loop changes hands while other threads keep its stand-in busy.
    static func changeHands() throws {
        var threads: [pthread_t] = []
        for _ in 0..<3 {
            let thread = try runThread {
                while !isOver.load(ordering: .relaxed) {
                    logger.info("busy")
                    usleep(20)
                }
            }
            threads.append(thread)
        }
        for _ in 0..<200 {
            logger.info("before")
            try EventLoop.run { await Task.yield() }
        }
        isOver.store(true, ordering: .relaxed)
        for thread in threads { pthread_join(thread, nil) }
        fputs("done\n", stderr)
    }

    /// A daemon whose file was opened at top level: SIGHUP opens it again.
    static func listenToHangUp(_ path: String) throws {
        let handler = try FileHandler(FilePath(path + "/app.log"), formatter: TextFormatter(), reopensOnHangUp: true)
        let log = Logger("app", handlers: [handler])
        log.info("before")
        try EventLoop.run {
            try await log.flush()
            rename(path + "/app.log", path + "/app.log.1")
            kill(getpid(), SIGHUP)
            while access(path + "/app.log", F_OK) != 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
            await log.info("after")
            try await log.flush()
        }
    }

    /// A handler of atexit(3) that is older than the logger runs after everything of the logger's.
    static func logAtExit() {
        atexit { logger.info("at the very end") }
        logger.info("first")
    }

    /// What lives on when `run` has returned goes on.
    static func useTasksAfterRun() throws {
        let task = try EventLoop.run {
            Task {
                try await EventLoop.sleep(for: .milliseconds(20))
                try await Task.sleep(for: .milliseconds(20))
                return 42
            }
        }
        runAll([("task", { guard try await task.value == 42 else { exit(3) } })])
    }

    /// The main actor's jobs wait for the main thread, and run there.
    static func useMainActorAfterRun() throws {
        try EventLoop.run {}
        let main = pthread_self()
        let task = Task { @MainActor in pthread_self() == main }
        usleep(10_000)
        let isAtHome = try EventLoop.run { await task.value }
        MainActor.assumeIsolated { _ = fputs("on the main thread: \(isAtHome)\n", stderr) }
    }

    /// A run without a clock goes by CLOCK_MONOTONIC, whatever the run before went by.
    static func runOnTwoClocks() throws {
        let start = ContinuousClock.now
        let sleeper = try EventLoop.run(clock: ManualClock(.byHand)) {
            let task = Task { try await EventLoop.sleep(for: .milliseconds(50)) }
            await Task.yield()
            return task
        }
        try EventLoop.run {
            try await EventLoop.sleep(for: .milliseconds(20))
            try await sleeper.value
        }
        let elapsed = ContinuousClock.now - start
        fputs("long enough: \(elapsed >= .milliseconds(50))\n", stderr)
    }
}
