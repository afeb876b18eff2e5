// Many threads and tasks that log through swift-log at once. Nothing is lost without being counted, nothing is torn,
// and each thread's order is kept.
import AsyncFD
import AsyncLog
import AsyncLogBridge
import EventLoop
import Glibc
import Logging
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("Many threads")
struct ThreadTests {
    private static let threads = 8
    private static let tasks = 16
    private static let records = 1000

    /// Reads the pipe to its end on a thread of its own, and stops for a while whenever it is told to.
    private final class Reader: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        private let isDone = Atomic(false)

        init(_ descriptor: CInt) {
            detachThread { [self] in
                var buffer = [UInt8](repeating: 0, count: 65_536)
                while true {
                    let count = read(descriptor, &buffer, buffer.count)
                    guard count > 0 else { break }
                    bytes.withLock { $0 += buffer[..<count] }
                }
                isDone.store(true, ordering: .releasing)
            }
        }

        func lines() async throws -> [String] {
            while !isDone.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
            return bytes.withLock { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
        }
    }

    /// Logs from threads of our own and from tasks, with constant metadata that changes, providers, levels of copies;
    /// waits until all have ended.
    private static func logFromEverywhere(_ backend: AsyncLogBackend, perSource count: Int) async throws {
        let provider = Logging.Logger.MetadataProvider { ["provided": .stringConvertible(1)] }
        let root = Logging.Logger(label: "bench") { backend.handler(label: $0, metadataProvider: provider) }
        let running = Atomic(threads)
        @Sendable func log(_ source: Int) {
            var logger = root
            logger[metadataKey: "source"] = .stringConvertible(source)
            for number in 0..<count {
                if number % 100 == 0 { logger[metadataKey: "hundred"] = .stringConvertible(number / 100) }
                logger.info("m", metadata: ["number": .stringConvertible(number), "text": "t\(number)"])
            }
        }
        let shared = RunningThreads(running: running.load(ordering: .relaxed))
        for source in 0..<threads {
            detachThread {
                log(source)
                shared.end()
            }
        }
        await withDiscardingTaskGroup { group in
            for source in threads..<threads + tasks { group.addTask { log(source) } }
            // A shared copy of one logger, whose encoded metadata its users race to make.
            group.addTask { backend.apply(Directives.bench) }
        }
        while !shared.areDone { try await Task.sleep(for: .milliseconds(1)) }
    }

    private final class RunningThreads: Sendable {
        private let running: Atomic<Int>
        init(running: Int) { self.running = Atomic(running) }
        func end() { running.subtract(1, ordering: .acquiringAndReleasing) }
        var areDone: Bool { running.load(ordering: .acquiring) == 0 }
    }

    /// The numbers of each source, in the order of the lines; nil for a line that is torn.
    private static func numbers(_ lines: [String]) -> [Int: [Int]]? {
        var numbers: [Int: [Int]] = [:]
        for line in lines where line.contains(" bench: m ") {
            let fields = line.split(separator: " ").filter { $0.contains("=") }.map { $0.split(separator: "=") }
            let values = Dictionary(fields.map { (String($0[0]), String($0[1])) }) { $1 }
            guard fields.count == 5, let source = values["source"].flatMap({ Int($0) }),
                let number = values["number"].flatMap({ Int($0) }),
                values["text"] == "t\(number)", values["hundred"] == "\(number / 100)", values["provided"] == "1"
            else {
                Issue.record("a torn line: \(line)")
                return nil
            }
            numbers[source, default: []].append(number)
        }
        return numbers
    }

    @Test(
        "threads that may be blocked lose nothing: every record of every thread and task is there once, in order, and the ledger balances"
    )
    func nothingLost() async throws {
        let pipe = try Pipe()
        let reader = Reader(pipe.reader)
        let writer = pipe.writer
        let backend = try await AsyncLogBackend.start(name: "log-bench") {
            [
                StreamHandler(
                    AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe"), formatter: TextFormatter(),
                    overflow: .block(upTo: .seconds(60)))
            ]
        }
        try await Self.logFromEverywhere(backend, perSource: Self.records)
        let ledger = await backend.logger.shutdown(within: .seconds(60))
        pipe.closeWriter()
        let numbers = try #require(Self.numbers(try await reader.lines()))
        let total = UInt64((Self.threads + Self.tasks) * Self.records)
        #expect(ledger.balances && ledger.accepted == total && ledger.written == total)
        #expect(numbers.count == Self.threads + Self.tasks)
        #expect(numbers.values.allSatisfy { $0 == Array(0..<Self.records) })
    }

    @Test(
        "a reader that has stopped blocks no thread; records without room are dropped, counted and reported, the rest is whole and in order"
    )
    func stoppedReader() async throws {
        let pipe = try Pipe()
        let writer = pipe.writer
        let backend = try await AsyncLogBackend.start(name: "log-stopped") {
            [
                StreamHandler(
                    AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe"), formatter: TextFormatter(),
                    capacity: 1 << 16,
                    overflow: .dropNewest)
            ]
        }
        // The test reads only when all have logged: if one of them waited for the reader, this would never end.
        try await Self.logFromEverywhere(backend, perSource: Self.records)
        let before = await backend.logger.ledger
        #expect(before.balances && before.droppedTotal > 0 && before.pending > 0)
        let reader = Reader(pipe.reader)
        let ledger = await backend.logger.shutdown(within: .seconds(60))
        pipe.closeWriter()
        let lines = try await reader.lines()
        let numbers = try #require(Self.numbers(lines))
        #expect(ledger.balances && ledger.pending == 0)
        #expect(ledger.accepted == UInt64((Self.threads + Self.tasks) * Self.records))
        #expect(ledger.written == UInt64(numbers.values.reduce(0) { $0 + $1.count }))
        #expect(numbers.values.allSatisfy { $0 == $0.sorted() && Set($0).count == $0.count })
        let said = lines.filter { $0.contains(" asynclog: ") }.compactMap { line in
            line.firstRange(of: "dropped=").flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
        }
        #expect(said.reduce(0, +) == Int(ledger.droppedTotal))
    }

    @Test(
        "a flush on the loop includes what another thread has logged before, though the loop has not looked into its inbox since"
    )
    func flushOnTheLoop() throws {
        try EventLoop.run {
            let memory = MemoryHandler()
            let backend = AsyncLogBackend(AsyncLog.Logger("", handlers: [memory]))
            let logger = backend.logger("app")
            let running = RunningThreads(running: 1)
            detachThread {
                logger.info("m")
                running.end()
            }
            while !running.areDone { sched_yield() }  // the loop is held up, on purpose
            #expect(memory.records.isEmpty)
            try await backend.logger.flush()
            #expect(memory.records.count == 1)
        }
    }

    @Test("copies of one logger race to encode the metadata that they share, and each record has all of it")
    func sharedMetadata() async throws {
        let backend = try await AsyncLogBackend.start(name: "log-shared") { [MemoryHandler()] }
        for round in 0..<50 {
            var logger = backend.logger("app")
            logger[metadataKey: "round"] = .stringConvertible(round)
            let shared = logger
            await withDiscardingTaskGroup { group in
                for _ in 0..<8 { group.addTask { shared.info("m") } }
            }
        }
        try await backend.logger.flush()
        let records = (backend.logger.handlers[0] as! MemoryHandler).records
        let counts = Dictionary(grouping: records) { "\(String(describing: $0.fields["round"]))" }.mapValues(\.count)
        #expect(counts.count == 50 && counts.values.allSatisfy { $0 == 8 })
    }
}

extension Directives {
    fileprivate static var bench: Directives {
        (try? Directives("info,bench=trace")) ?? { preconditionFailure("directives that are none") }()
    }
}
