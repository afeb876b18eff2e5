// Reading records from a spool's file: all whole records, even between damage.
import Glibc
import Synchronization
import SystemPackage

/// Every function blocks: for a thread of the pool.
extension SpoolFile {
    private static let pieceSize = 65_536

    /// Some of the records in a spool, and the damage between them.
    package struct Batch: Sendable {
        package struct Record: Sendable {
            package let length: Int
            package let number: UInt64
            /// Where it ends in the file.
            package let end: Int
        }
        /// The records, one behind the other.
        package fileprivate(set) var bytes: [UInt8] = []
        package fileprivate(set) var records: [Record] = []
        /// Where the next batch begins.
        package fileprivate(set) var end = 0
        /// The number of the next record, if none is lost; 0: not known.
        package fileprivate(set) var expected: UInt64
        /// How many records are missing, before these or between them.
        package fileprivate(set) var lost = 0
        /// Bytes that are neither records nor marks.
        package fileprivate(set) var damagedBytes = 0
        /// Where the last whole record or mark ends.
        fileprivate(set) var lastEnd: Int?
        /// That was a mark.
        fileprivate(set) var endsWithMark = false

        fileprivate mutating func add(_ record: UnsafeRawBufferPointer, _ number: UInt64, end: Int) {
            bytes.append(contentsOf: record)
            records.append(Record(length: record.count, number: number, end: end))
            if expected > 0, number > expected { lost += Int(clamping: number - expected) }
            expected = number + 1
            (lastEnd, endsWithMark) = (end, false)
        }
    }

    /// The records that stand from `head` to `end`: some, at least one, unless there is none.
    package func records(from head: Int, to end: Int, expecting expected: UInt64) throws(IOError) -> Batch {
        var batch = Batch(expected: expected)
        var start = head
        var room = Self.pieceSize
        while start < end, batch.records.isEmpty {
            let bytes = try read(at: start, upTo: min(room, end - start))
            let isLast = start + bytes.count >= end || bytes.count < min(room, end - start)
            let (used, needed) = bytes.withUnsafeBytes { sift($0, at: start, isLast: isLast, into: &batch) }
            start = isLast && used == bytes.count ? end : start + used
            room = max(Self.pieceSize, needed)
        }
        batch.end = start
        // Damage at the very end: how many records there were is known as long as it is this run of the program that
        // has written them.
        if start >= end, end == self.end, batch.expected > 0, case let next = nextNumber.load(ordering: .relaxed),
            next > batch.expected
        {
            batch.lost += Int(clamping: next - batch.expected)
            batch.expected = next
        }
        return batch
    }

    /// Returns how many of the bytes have been parsed, and how many bytes the next piece must have at least.
    private func sift(_ bytes: UnsafeRawBufferPointer, at start: Int, isLast: Bool, into batch: inout Batch) -> (
        used: Int, needed: Int
    ) {
        var position = 0
        while position < bytes.count {
            switch SpoolFormat.item(in: bytes, at: position) {
            case .record(let range, let number):
                batch.add(UnsafeRawBufferPointer(rebasing: bytes[range]), number, end: start + range.upperBound)
                position = range.upperBound
            case .mark(let end):
                (batch.lastEnd, batch.endsWithMark) = (start + end, true)
                position = end
            case .garbage(let end?):
                batch.damagedBytes += end - position
                position = end
            case .begun(let end) where !isLast: return (position, end - position)
            case .garbage(nil) where !isLast:
                // The bytes of a header may be divided between this piece and the next.
                let next = max(position, bytes.count - SpoolFormat.recordHeaderSize + 1)
                batch.damagedBytes += next - position
                return (next, 0)
            case .begun:
                // Its header may be all that is left of it, or it has been cut off.
                let next = SpoolFormat.next(in: bytes, after: position)
                batch.damagedBytes += next - position
                position = next
            case .garbage:
                batch.damagedBytes += bytes.count - position
                position = bytes.count
            }
        }
        return (position, 0)
    }

    func read(at offset: Int, upTo count: Int) throws(IOError) -> [UInt8] {
        var failure: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let rest = iovec(iov_base: buffer.baseAddress! + filled, iov_len: count - filled)
                switch withUnsafePointer(
                    to: rest, { Syscalls.read(number, Vectors(start: $0, count: 1), at: Int64(offset + filled)) })
                {
                case .bytes(0): return
                case .bytes(let more): filled += more
                case .wouldBlock: return failure = .resourceTemporarilyUnavailable
                case .failed(let errno): return failure = errno
                }
            }
        }
        if let failure { throw error("read", failure) }
        return bytes
    }
}
