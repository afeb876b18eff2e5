// Many small writes, few system calls: what is written in one turn of the loop goes out together, and a writer that is
// ahead of its reader waits.
import EventLoop
import SystemPackage

/// Buffers writes to one descriptor.
///
///     let writer = BufferedWriter(connection)
///     for row in rows { try await writer.write("\(row)\r\n") }
///     try await writer.flush()
///     try await writer.close()
///
/// A write is put into the buffer; the whole of what one turn of the event loop has gathered goes out with one system
/// call. When more than the high water mark waits to be written, writers wait until the low water mark is reached. So
/// memory is bounded (by the high water mark and the largest write), and a slow reader slows the writer down.
///
/// What has been written goes out before the loop ends, even if the program has released the writer; `close` ends it
/// earlier.
///
/// Lives on its descriptor's loop; its methods may be called from any task. Writes of several tasks stay whole, in the
/// order of the calls.
///
/// Unchecked: everything that changes is touched on the loop's thread only.
public final class BufferedWriter: @unchecked Sendable {
    /// The descriptor that the writer writes to. Its owner closes it, never the writer.
    public let descriptor: AsyncFD
    /// When more bytes than these are pending, writes wait.
    public let highWaterMark: Int
    /// When no more bytes than these are pending, the waiting writes go on.
    public let lowWaterMark: Int

    // Loop thread only.
    private let writer: BatchWriter
    private var isAttached = false
    private var isClosed = false
    private var waiting = TicketQueue<UnsafeContinuation<Wake, Never>>()

    /// - Parameters:
    ///   - highWaterMark: in bytes.
    ///   - lowWaterMark: in bytes; a quarter of the other if not given.
    public init(_ descriptor: AsyncFD, highWaterMark: Int = 65_536, lowWaterMark: Int? = nil) {
        let low = lowWaterMark ?? highWaterMark / 4
        precondition(
            highWaterMark > 0 && low >= 0 && low <= highWaterMark, "water marks: 0 ≤ low ≤ high, and high is not 0")
        self.descriptor = descriptor
        self.highWaterMark = highWaterMark
        self.lowWaterMark = low
        writer = BatchWriter(descriptor)
    }

    /// Bytes that wait to be written.
    public var count: Int {
        get async { await descriptor.onLoop(orElse: 0) { _ in self.writer.queue.count } }
    }

    /// Takes all of `bytes`. Waits first while more than `highWaterMark` bytes are pending.
    ///
    /// - Throws: `IOError` if an earlier write has failed, or when the task is cancelled while it waits. Nothing of
    ///   `bytes` was taken then.
    public func write(_ bytes: RawSpan) async throws(IOError) {
        // The span outlives this function, and with it every use of the pointer.
        let memory = unsafe bytes.withUnsafeBytes { unsafe SendableBytes($0) }
        try await descriptor.onLoop("write") { _ async throws(IOError) in try await self.writeHere(memory.bytes) }
    }

    /// Takes all bytes of the array.
    public func write(_ bytes: [UInt8]) async throws(IOError) { try await write(bytes.span.bytes) }

    /// Takes the string in UTF-8.
    public func write(_ string: String) async throws(IOError) {
        var string = string
        string.makeContiguousUTF8()
        try await write(string.utf8Span.span.bytes)
    }

    /// Waits until everything that was written so far is in the kernel.
    ///
    /// - Throws: `IOError` if the descriptor does not take it, with the reason. The bytes stay in the buffer, and are
    ///   tried again.
    public func flush() async throws(IOError) {
        try await descriptor.onLoop("write") { _ async throws(IOError) in
            if self.writer.failure != nil { self.writer.pushOut() }
            try await self.writer.flush()
        }
    }

    /// Flushes, and ends the writer; the descriptor stays open. What cannot be written is given up.
    ///
    /// - Throws: why not everything was written.
    public func close() async throws(IOError) {
        try await descriptor.onLoop("write") { _ async throws(IOError) in
            guard !self.isClosed else { return }
            self.isClosed = true
            defer {
                self.resumeWaiting(.closed)
                if self.isAttached {
                    self.writer.giveUp()
                    self.writer.retire()
                }
            }
            try await self.writer.flush()
        }
    }

    // MARK: Loop thread

    private func writeHere(_ bytes: UnsafeRawBufferPointer) async throws(IOError) {
        while true {
            if isClosed { throw IOError("write", on: descriptor.label, .closed) }
            if let failure = writer.failure { throw failure }
            if writer.queue.count <= highWaterMark, waiting.isEmpty || writer.queue.count <= lowWaterMark { break }
            try await waitForLowWater()
        }
        guard !bytes.isEmpty else { return }
        if !isAttached {
            isAttached = true
            writer.attach(nil, self)
        }
        writer.queue.append(bytes)
        writer.didAppend(bytes.count)
    }

    private func waitForLowWater() async throws(IOError) {
        let ticket = waiting.nextTicket
        let wake: Wake = await parkTask { continuation in
            guard !Task.isCancelled else {
                waiting.skip()
                return continuation.resume(returning: .cancelled)
            }
            waiting.enter(continuation)
        } onCancel: {
            descriptor.loop.perform { self.waiting.cancel(ticket)?.resume(returning: .cancelled) }
        }
        if wake == .cancelled { throw IOError("write", on: descriptor.label, .cancelled) }
    }

    private func resumeWaiting(_ wake: Wake) {
        for continuation in waiting.removeAll() { continuation.resume(returning: wake) }
    }
}

extension BufferedWriter: Destination {
    package func didWrite(_ count: Int) {
        if writer.queue.count <= lowWaterMark { resumeWaiting(.ready) }
    }

    package func didFail(_ error: IOError) { resumeWaiting(.ready) }
    package func didGiveUp(_ count: Int, because error: IOError?) {
        StandardErrorFallback.report(
            "\(descriptor.label): \(count) buffered bytes lost: \(error?.reason ?? "the reader did not read in time")")
    }
    package func didRelease() { isAttached = false }
}
