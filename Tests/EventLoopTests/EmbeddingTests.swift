// A loop as the guest of a foreign one.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Embedding")
struct EmbeddingTests {
    /// A foreign loop: plain `poll(2)`, which gives the guest a turn when its descriptor is readable.
    private func host(_ guest: EventLoop, until isDone: () -> Bool) {
        while !isDone() {
            var request = pollfd(fd: guest.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
            let count = poll(&request, 1, 30_000)
            #expect(count == 1, "the guest has work, or will have, and its descriptor does not say so")
            guard count == 1 else { return }
            guest.runOnce()
        }
    }

    @Test(
        "jobs, timers, descriptors, calls from other threads: all of it is seen in the descriptor, nothing is polled for"
    )
    func plainPoll() throws {
        let guest = try EventLoop.embedded(name: "guest")
        let pipe = try Pipe()
        let (reader, writer) = (pipe.reader, pipe.writer)
        let steps = Locked<[String]>([])
        let done = Locked(false)
        Task(executorPreference: guest) {
            steps.withLock { $0.append("job") }
            try await EventLoop.sleep(for: .milliseconds(2))
            steps.withLock { $0.append("timer") }
            let watch = Watch(FileDescriptor(rawValue: reader))
            _ = startThread(name: "writer") { _ = write(writer, [UInt8(1)], 1) }
            try await watch.readable()
            watch.close()
            steps.withLock { $0.append("descriptor") }
            await withUnsafeContinuation { continuation in
                _ = startThread(name: "caller") { guest.perform { continuation.resume() } }
            }
            steps.withLock { $0.append("call") }
            for _ in 0..<1000 { await Task.yield() }
            #expect(try await EventLoop.offload { 42 } == 42)
            steps.withLock { $0.append("end") }
            done.value = true
        }
        host(guest) { done.value }
        #expect(steps.value == ["job", "timer", "descriptor", "call", "end"])
        #expect(EventLoop.current == nil)
    }

    @Test("a guest with nothing to do does not wake its host")
    func idle() throws {
        let guest = try EventLoop.embedded(name: "guest")
        Task(executorPreference: guest) { try await EventLoop.sleep(for: .seconds(3600)) }
        var request = pollfd(fd: guest.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        while poll(&request, 1, 20) == 1 { guest.runOnce() }
        #expect(guest.metrics.timers == 1)
        #expect(guest.metrics.turns < 10)
    }

    @Test("runOnce waits as long as it is told, and no longer than there is nothing to do")
    func timeout() throws {
        let guest = try EventLoop.embedded(name: "guest")
        guest.runOnce()
        let start = Instant.monotonic
        #expect(!guest.runOnce(timeout: .milliseconds(5)))
        #expect(Instant.monotonic - start >= .milliseconds(5))
        let ran = Locked(false)
        Task(executorPreference: guest) {
            try await EventLoop.sleep(for: .milliseconds(1))
            ran.value = true
        }
        for _ in 0..<10 where !ran.value { guest.runOnce(timeout: .seconds(30)) }
        #expect(ran.value)
        #expect(guest.metrics.turns < 10, "turns that waited for nothing")
    }
}
