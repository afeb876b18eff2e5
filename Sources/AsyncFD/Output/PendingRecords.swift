// The records whose bytes wait to be written: how long each is, how important, and which number it has.
//
// They come and go at the ends of a ring. When the oldest are to be dropped while others, older still, are being
// written, those step aside into a ring of their own, once; so taking one out takes the same time however many are in
// flight.
@_spi(Internals) import EventLoop

/// Loop thread only.
struct PendingRecords: ~Copyable {
    struct Record: BitwiseCopyable {
        /// Bytes of it that are not in the kernel yet.
        var length: UInt32
        let severity: UInt8
        /// A report of the library's own: it is in no ledger.
        let isReport: Bool
        /// Some of its bytes are in the kernel: there is no taking it back.
        var isBegun = false
        let sequence: UInt64
    }

    /// Older than all in `records`. Empty, unless something has been taken out behind them.
    private var aside = Ring<Record>(capacity: 1)
    private var records = Ring<Record>()

    var isEmpty: Bool { records.isEmpty && aside.isEmpty }
    var count: Int { aside.count + records.count }

    @inline(__always)
    mutating func append(_ record: Record) { records.append(record) }

    /// The oldest. There is one.
    var first: Record {
        get { aside.isEmpty ? records.first : aside.first }
        set { if aside.isEmpty { records.first = newValue } else { aside.first = newValue } }
    }

    /// Takes off the oldest `bytes` bytes, which are in the kernel. Returns how many records of callers end in them.
    mutating func takeOff(_ bytes: Int) -> Int {
        var (left, written) = (bytes, 0)
        while left > 0, !isEmpty {
            let length = Int(first.length)
            guard left >= length else {
                first.length -= UInt32(left)
                first.isBegun = true
                break
            }
            left -= length
            if !removeFirst().isReport { written += 1 }
        }
        return written
    }

    mutating func removeFirst() -> Record { aside.isEmpty ? records.removeFirst() : aside.removeFirst() }

    /// The n-th, counted from the oldest.
    subscript(index: Int) -> Record { index < aside.count ? aside[index] : records[index - aside.count] }

    /// Takes out the n-th. O(1) when one behind it was taken out before, or the same.
    mutating func remove(at index: Int) {
        guard index >= aside.count else { return aside.remove(at: index) }
        while aside.count < index { aside.append(records.removeFirst()) }
        _ = records.removeFirst()
    }

    /// How many bytes are left of a record of which some are in the kernel already; 0 if there is none.
    var restOfBegun: Int { !isEmpty && first.isBegun ? Int(first.length) : 0 }

    /// The length of the n-th, counted from the oldest; nil if there are fewer.
    func length(_ index: Int) -> Int? { index < count ? Int(self[index].length) : nil }

    /// How many bytes the oldest records have that fit into `limit` bytes.
    func whole(within limit: Int) -> Int {
        var total = 0
        for index in 0..<count {
            let length = Int(self[index].length)
            if total + length > limit { break }
            total += length
        }
        return total
    }
}
