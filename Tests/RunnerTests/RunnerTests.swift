// A test runner of XCTest's: synchronous tests on the main thread, outside any task, that run a loop, mixed with
// asynchronous ones.
//
// XCTest runs asynchronous tests on the executors that the process began with, and waits for them on the main thread. A
// loop that took these executors over for good would make the next asynchronous test wait for ever.
import AsyncFD
import AsyncLog
import EventLoop
import XCTest

/// Everything that a synchronous test may do with a loop.
private func runLoop() throws {
    XCTAssertNil(EventLoop.current)
    let answer = try EventLoop.run {
        try await EventLoop.sleep(for: .milliseconds(1))
        let isMain = await MainActor.run { Thread.isMainThread }
        let child = await Task { 20 }.value
        async let other = EventLoop.offload { 21 }
        return try await isMain ? child + other : 0
    }
    XCTAssertEqual(answer, 41)
}

final class SynchronousFirstTests: XCTestCase {
    func testA() throws { try runLoop() }

    func testB() throws { try runLoop() }

    func testC() async throws {
        try await Task.sleep(for: .milliseconds(1))
        await MainActor.run { XCTAssertTrue(Thread.isMainThread) }
        let memory = MemoryHandler()
        await Logger("test", handlers: [memory]).info("from an asynchronous test")
    }

    func testD() throws { try runLoop() }

    override func tearDown() async throws { await Task.yield() }
}

final class AsynchronousFirstTests: XCTestCase {
    override func setUp() async throws { try await Task.sleep(for: .milliseconds(1)) }

    func testA() async throws {
        let answer = try await EventLoop.offload { 42 }
        XCTAssertEqual(answer, 42)
    }

    func testB() throws { try runLoop() }

    @MainActor
    func testC() async throws {
        XCTAssertTrue(Thread.isMainThread)
        try await Task.sleep(for: .milliseconds(1))
        XCTAssertTrue(Thread.isMainThread)
    }

    @MainActor
    func testD() throws { try runLoop() }
}

/// Tasks that a test leaves alive go on, and a later test may wait for them.
final class LeftAliveTests: XCTestCase {
    nonisolated(unsafe) private static var task: Task<Int, any Error>?

    func testA() throws {
        LeftAliveTests.task = try EventLoop.run {
            Task {
                try await Task.sleep(for: .milliseconds(10))
                return 42
            }
        }
    }

    func testB() async throws {
        let answer = try await LeftAliveTests.task?.value
        XCTAssertEqual(answer, 42)
    }
}
