// Records go in whole and come out in pieces of any size, in order, and nothing is lost between chunks.
import CAsyncFD
import Glibc
import TestSupport
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

    @Test(
        "what is taken out behind bytes that are being read leaves those where they are, as they are; all else comes out in order",
        arguments: 0..<4)
    func removal(seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var queue = ByteQueue()
        var records: [[UInt8]] = []
        let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 6)
        defer { vectors.deallocate() }
        var number: UInt8 = 0

        func append() {
            let record = [UInt8](
                repeating: number,
                count: Int.random(
                    in: 1...[100, 100, 3000, 3000, 9000, 9000, 80_000].randomElement(using: &random)!, using: &random))
            number &+= 1
            record.withUnsafeBytes { queue.append($0) }
            records.append(record)
        }

        for _ in 0..<40 {
            for _ in 0..<Int.random(in: 1...30, using: &random) { append() }
            // A thread of the pool is given some of the bytes, and reads them at the very end.
            let inFlight = vectors[..<queue.fill(vectors, limit: Int.random(in: 1...200_000, using: &random))]
            let size = inFlight.reduce(0) { $0 + Int($1.iov_len) }
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                if Bool.random(using: &random) { append() }
                // Behind what is in flight, rounded up to the end of a record, and sometimes behind more than that.
                var (kept, bytes) = (0, 0)
                while kept < records.count, bytes < size || Int.random(in: 0..<4, using: &random) == 0 {
                    bytes += records[kept].count
                    kept += 1
                }
                guard kept < records.count else { continue }
                queue.remove(records[kept].count, behind: bytes)
                records.remove(at: kept)
                #expect(queue.count == records.reduce(0) { $0 + $1.count })
            }
            // Compared outside of the macro, which would print them.
            var expected: [UInt8] = []
            for record in records { expected += record }
            let isVisible = whatACrashWrites(queue) == expected
            #expect(isVisible, "a crash writes something else")
            var read: [UInt8] = []
            for vector in inFlight { read += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len) }
            let isUntouched = read == Array(expected[..<size])
            #expect(isUntouched, "bytes that are being read have changed")
            var now: [UInt8] = []
            // The kernel may have taken less than it was given.
            let moved = Int.random(in: 0...size, using: &random)
            queue.consume(moved)
            while queue.count > (expected.count - moved) / 2 {
                drain(&queue, Int.random(in: 1...100_000, using: &random), into: &now)
            }
            let isInOrder = now == Array(expected[moved..<(moved + now.count)])
            #expect(isInOrder, "out of order")
            var gone = moved + now.count
            while let first = records.first, gone >= first.count {
                gone -= first.count
                records.removeFirst()
            }
            if gone > 0 { records[0].removeFirst(gone) }
        }
    }

    /// The bytes that the crash handler finds (CrashWriter.c).
    private func whatACrashWrites(_ queue: borrowing ByteQueue) -> [UInt8] {
        var bytes: [UInt8] = []
        var next = queue.pending.pointee.first
        while let chunk = next {
            bytes += UnsafeRawBufferPointer(
                start: cfd_chunk_bytes(chunk) + chunk.pointee.start, count: chunk.pointee.end - chunk.pointee.start)
            next = chunk.pointee.next
        }
        return bytes
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
