// What never ends does not keep the rest waiting.
import AsyncFD
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Fairness")
struct FairnessTests {
    /// Tasks that never wait for anything.
    private func crowd(_ count: Int, on loop: EventLoop) -> [Task<Void, Never>] {
        (0..<count).map { _ in
            Task(executorPreference: loop) { while !Task.isCancelled { await Task.yield() } }
        }
    }

    @Test("jobs that never end: a descriptor and a timer are served within two budgets of jobs")
    func jobsNeverEnd() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let loop = EventLoop.current!
            let crowd = crowd(1000, on: loop)
            let watch = Watch(FileDescriptor(rawValue: pipe.reader))
            for _ in 0..<20 {
                let waiting = Task(executorPreference: loop) {
                    try await watch.readable()
                    return loop.jobCount
                }
                while loop.waiters == 0 { await Task.yield() }
                var byte: UInt8 = 0
                let before = loop.jobCount
                write(pipe.writer, &byte, 1)
                let after = try await waiting.value
                #expect(after - before <= 2 * EventLoop.jobBudget + 2)
                read(pipe.reader, &byte, 1)
            }
            let before = loop.jobCount
            try await EventLoop.sleep(for: .zero)
            #expect(loop.jobCount - before <= 2 * EventLoop.jobBudget + 2)
            watch.close()
            for task in crowd {
                task.cancel()
                await task.value
            }
        }
    }

    @Test(
        "equal clients get equal shares: of many that ask again as soon as they are answered none is served much more often than another"
    )
    func equalClients() throws {
        try EventLoop.run {
            let loop = EventLoop.current!
            let clients = 200
            let served = Served(clients)
            var pairs: [(AsyncFD, AsyncFD)] = []
            for _ in 0..<clients { pairs.append(try await AsyncFD.socketPair()) }
            let tasks = pairs.enumerated().flatMap { index, pair in
                [
                    Task(executorPreference: loop) {
                        while case let bytes = try await pair.1.read(upTo: 64), !bytes.isEmpty {
                            try await pair.1.write(bytes)
                        }
                    },
                    Task(executorPreference: loop) {
                        while served.total < 200 * clients {
                            try await pair.0.write([1])
                            _ = try await pair.0.read(upTo: 64)
                            served.count(index)
                        }
                        await pair.0.close()
                    },
                ]
            }
            for task in tasks { try await task.value }
            for (_, server) in pairs { await server.close() }
            #expect(Double(served.most) <= 1.2 * Double(served.least), "\(served.least) to \(served.most)")
        }
    }

    /// Unchecked: loop thread only.
    private final class Served: @unchecked Sendable {
        private var counts: [Int]
        private(set) var total = 0
        init(_ clients: Int) { counts = Array(repeating: 0, count: clients) }
        var least: Int { counts.min()! }
        var most: Int { counts.max()! }

        func count(_ client: Int) {
            counts[client] += 1
            total += 1
        }
    }

    @Test("timers that are always due: neither a descriptor nor a job that is merely ready is kept waiting")
    func timersAlwaysDue() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let loop = EventLoop.current!
            let crowd = (0..<600).map { _ in
                Task(executorPreference: loop) { while !Task.isCancelled { try? await EventLoop.sleep(for: .zero) } }
            }
            let watch = Watch(FileDescriptor(rawValue: pipe.reader))
            let waiting = Task(executorPreference: loop) {
                try await watch.readable()
                return loop.metrics.turns
            }
            while loop.waiters == 0 { await Task.yield() }
            var byte: UInt8 = 0
            let before = loop.metrics.turns
            write(pipe.writer, &byte, 1)
            // The wake-up waits behind what timers have woken before it, a budget a turn.
            let after = try await waiting.value
            #expect(after - before <= 4 + UInt64(600 / EventLoop.jobBudget))
            let turns = loop.metrics.turns
            for _ in 0..<10 { await Task.yield() }
            #expect(loop.metrics.turns - turns <= 60)
            watch.close()
            for task in crowd {
                task.cancel()
                await task.value
            }
        }
    }
}

extension EventLoop {
    /// The jobs that have left the queues, including those of the turn under way.
    fileprivate var jobCount: Int { Int(metrics.jobs) }
}
