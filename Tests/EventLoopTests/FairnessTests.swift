// What never ends does not keep the rest waiting.
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
