// How much gathers before it is written, in a task that logs without a pause: enough to be worth a write, and never so
// much that the buffer is full first.
import EventLoop
import Testing

@testable import AsyncFD
@testable import AsyncLog

@Suite("Batches")
struct BatchTests {
    /// A line of a hundred bytes.
    private static let filler = String(repeating: "x", count: 99)

    @Test(
        "the writing of a file begins when four chunks have gathered, or a quarter of the buffer, but not for less than a chunk",
        arguments: [(100_000, 65_536), (600_000, 150_000), (1 << 20, 262_144), (8 << 20, 262_144)])
    func file(capacity: Int, batch: Int) throws {
        let folder = try LogFolder()
        try onLoop {
            let handler = try await FileHandler(
                folder.path("app.log"), formatter: plain, reopensOnHangUp: false, capacity: capacity,
                overflow: .dropNewest)
            let logger = Logger("app", handlers: [handler])
            while handler.buffer.writer.bytesInFlight == 0 { logger.nowait.info("\(Self.filler)") }
            #expect(handler.buffer.writer.bytesInFlight == (batch + 99) / 100 * 100)
            #expect(await logger.shutdown(within: .seconds(60)).droppedTotal == 0)
        }
    }

    @Test("what goes to a pipe goes out by the chunk, which is what a pipe takes")
    func pipe() throws {
        try onLoop {
            let (reader, writer) = try await AsyncFD.pipe()
            let handler = StreamHandler(writer, formatter: plain, capacity: 1 << 20, overflow: .dropNewest)
            let logger = Logger("app", handlers: [handler])
            while handler.buffer.writer.writeCalls == 0 { logger.nowait.info("\(Self.filler)") }
            #expect(await handler.statistics.mostPendingBytes == 65_600)
            async let received = reader.read(upTo: 1 << 20)
            try await logger.flush()
            #expect(try await received.isEmpty == false)
            await writer.close()
            await reader.close()
        }
    }
}
