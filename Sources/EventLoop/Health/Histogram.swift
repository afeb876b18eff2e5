// A histogram of durations.

extension EventLoop {
    /// How often something took how long, in buckets that double: bucket n counts what took less than 2ⁿ ns and at
    /// least half of that.
    public struct Histogram: Sendable, Equatable {
        /// Bucket 0 counts zeros; bucket 63 everything from 2⁶² ns on.
        public let counts: [UInt64]

        /// How many were counted.
        public var count: UInt64 { counts.reduce(0, +) }

        /// The duration that at least `share` (0…1) of what was counted did not exceed, rounded up to the bucket's end.
        /// Zero if nothing was counted.
        public func quantile(_ share: Double) -> Duration {
            let total = count
            guard total > 0 else { return .zero }
            let rank = max(1, UInt64((Double(total) * share).rounded(.up)))
            var seen: UInt64 = 0
            for (bucket, count) in counts.enumerated() {
                seen += count
                if seen >= rank { return .nanoseconds(Histogram.end(of: bucket)) }
            }
            return .nanoseconds(Int64.max)
        }

        static let buckets = 64
        static func bucket(_ nanoseconds: Int64) -> Int { min(63, 64 - max(0, nanoseconds).leadingZeroBitCount) }
        static func end(of bucket: Int) -> Int64 { bucket == 0 ? 0 : bucket == 63 ? .max : 1 << Int64(bucket) }
    }
}
