// The tasks that wait until bytes of a batch writer are in the kernel.

/// Positions are counted from the batch writer's first byte on; they ascend from the first waiting task to the last.
/// Loop thread only.
struct FlushQueue {
    typealias Continuation = UnsafeContinuation<IOError?, Never>

    private var waits: [(position: UInt64, continuation: Continuation)] = []

    /// `continuation` waits for the bytes before `position`.
    mutating func enter(_ position: UInt64, _ continuation: Continuation) { waits.append((position, continuation)) }

    /// The bytes before `position` are in the kernel. With an error, the flushes of later bytes end with it.
    mutating func resume(upTo position: UInt64, _ error: IOError?) {
        guard !waits.isEmpty else { return }
        let done = waits.prefix { error != nil || $0.position <= position }
        waits.removeFirst(done.count)
        for wait in done { wait.continuation.resume(returning: wait.position <= position ? nil : error) }
    }

    /// Bytes have been taken back: positions are not what they were.
    mutating func move(_ position: (UInt64) -> UInt64) {
        for index in waits.indices { waits[index].position = position(waits[index].position) }
    }
}
