// The duration of each call.
@preconcurrency import Glibc

struct Latencies {
    private let times: UnsafeMutableBufferPointer<UInt32>

    /// Touches all of the memory, so that no page fault is measured.
    init(_ count: Int) {
        times = .allocate(capacity: count)
        times.initialize(repeating: 0)
    }

    func note(_ index: Int, _ nanoseconds: UInt64) { times[index] = UInt32(clamping: nanoseconds) }

    func summary() -> String {
        var times = times
        times.sort()
        func share(_ thousandths: Int) -> UInt32 { times[times.count * thousandths / 1000] }
        return ",\"p50\":\(share(500)),\"p99\":\(share(990)),\"p999\":\(share(999)),\"max\":\(times[times.count - 1])"
    }
}

func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
