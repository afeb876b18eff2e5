// Records go in whole and come out in pieces of any size, in order, and nothing is lost between chunks.
import Glibc
import Testing

@testable import AsyncFD

@Suite("ByteQueue")
struct ByteQueueTests {
    @Test("whatever the sizes of records and writes, the bytes come out as they went in")
    func anySizes() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            var queue = ByteQueue()
            var expected: [UInt8] = []
            var actual: [UInt8] = []
            for _ in 0..<200 {
                if Bool.random(using: &random) {
                    let record = (0..<Int.random(in: 1...9000)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                    record.withUnsafeBytes { queue.append($0) }
                    expected += record
                } else {
                    drain(&queue, Int.random(in: 1...20_000), into: &actual)
                }
            }
            while !queue.isEmpty { drain(&queue, 65_536, into: &actual) }
            #expect(actual == expected)
        }
    }

    private func drain(_ queue: inout ByteQueue, _ limit: Int, into bytes: inout [UInt8]) {
        let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 3)
        defer { vectors.deallocate() }
        var moved = 0
        for vector in vectors[..<queue.fill(vectors, limit: limit)] {
            bytes += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
            moved += vector.iov_len
        }
        queue.consume(moved)
    }

    @Test("a record larger than a chunk is kept in one piece")
    func largeRecord() {
        var queue = ByteQueue()
        let record = [UInt8](repeating: 1, count: ByteQueue.chunkSize * 3)
        record.withUnsafeBytes { queue.append($0) }
        let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 4)
        defer { vectors.deallocate() }
        #expect(queue.fill(vectors, limit: .max) == 1)
        #expect(vectors[0].iov_len == record.count)
    }
}
