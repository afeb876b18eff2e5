// The durations of calls, counted in buckets of fixed memory: counting costs an addition and never an allocation.
//
// Up to 63 ns each nanosecond has a bucket; beyond that each power of two has 32 of them, so that a bucket is at most
// 1/32 of its values wide (G. Tene, "HdrHistogram", with five bits of precision).

struct LatencyHistogram {
    private var counts = [UInt64](repeating: 0, count: LatencyHistogram.buckets)
    private(set) var count: UInt64 = 0
    private(set) var largest: Int64 = 0

    private static let buckets = 64 + 58 * 32

    mutating func record(_ nanoseconds: Int64) {
        let value = max(0, nanoseconds)
        counts[LatencyHistogram.bucket(value)] += 1
        count += 1
        largest = max(largest, value)
    }

    mutating func merge(_ other: LatencyHistogram) {
        for bucket in counts.indices { counts[bucket] += other.counts[bucket] }
        count += other.count
        largest = max(largest, other.largest)
    }

    /// The time that at least `share` (0…1) of the calls did not exceed, rounded up to the bucket's end; 0 if there
    /// were none.
    func quantile(_ share: Double) -> Int64 {
        let rank = max(1, UInt64((Double(count) * share).rounded(.up)))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return min(LatencyHistogram.end(of: bucket), largest) }
        }
        return largest
    }

    private static func bucket(_ value: Int64) -> Int {
        if value < 64 { return Int(value) }
        let shift = 58 - value.leadingZeroBitCount  // the five bits below the highest one count
        return 64 + (shift - 1) * 32 + Int(value >> Int64(shift)) - 32
    }

    /// The largest value in a bucket.
    private static func end(of bucket: Int) -> Int64 {
        if bucket < 64 { return Int64(bucket) }
        let (power, step) = ((bucket - 64) / 32 + 1, (bucket - 64) % 32 + 32)
        return Int64(step + 1) << Int64(power) - 1
    }
}
