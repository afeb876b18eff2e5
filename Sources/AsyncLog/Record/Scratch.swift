// Memory in which a thread builds a record before it is known where the record goes, so that building one allocates
// nothing. It is a stack: while one record is being built, or is on its way through filters, formatters and handlers,
// another one may be built above it. Scratch.c explains how.
import CAsyncLog
import Glibc

/// A thread's scratch memory. Valid on that thread only.
///
///     let scratch = Scratch.current
///     scratch.enter()
///     defer { scratch.leave() }
///     scratch.append(bytes)        // known by its offset: the memory may move
///     scratch.seal()
///     … scratch.bytes(from: …) …   // known by its address: it stays where it is until `leave`
@usableFromInline
struct Scratch: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutablePointer<clog_scratch>

    /// After a giant record, memory beyond this is given back.
    private static let keptCapacity = 65_536

    @inline(__always)
    static var current: Scratch { Scratch(header: clog_current_scratch()) }

    @inline(__always)
    var count: Int { header.pointee.count }

    // MARK: Records

    /// Begins a record, above the one that is being built or handed over.
    @inline(__always)
    func enter() {
        if header.pointee.state != clog_scratch_idle { return clog_scratch_push(header) }
        header.pointee.state = clog_scratch_in_message
        header.pointee.serial &+= 1
    }

    /// The record's message is complete; the values of its fields come next.
    @inline(__always)
    func beginValues() { header.pointee.state = clog_scratch_in_values }

    /// Fields are being written. Returns the state that `endFields` restores, if more than fields follows.
    @inline(__always)
    @discardableResult
    func beginFields() -> clog_scratch_state {
        defer { header.pointee.state = clog_scratch_in_fields }
        return header.pointee.state
    }

    @inline(__always)
    func endFields(_ state: clog_scratch_state) { header.pointee.state = state }

    /// The record is complete: from now on it is known by its address, and nothing that would move it is written.
    @inline(__always)
    func seal() { header.pointee.state = clog_scratch_sealed }

    /// Ends the last record that was begun.
    @inline(__always)
    func leave() {
        if header.pointee.is_special { return leaveSpecial() }
        header.pointee.count = 0
        header.pointee.state = clog_scratch_idle
    }

    @inline(never)
    private func leaveSpecial() {
        if header.pointee.frame_count > 0 { return clog_scratch_pop(header) }
        header.pointee.count = 0
        header.pointee.state = clog_scratch_idle
        header.pointee.serial = max(header.pointee.serial, header.pointee.last_serial)
        header.pointee.is_special = false
        if header.pointee.capacity > Scratch.keptCapacity { clog_scratch_shrink(header) }
    }

    /// True if the bytes that are appended now stay untouched until the current record ends.
    @inline(__always)
    var keepsWhatIsAppended: Bool {
        header.pointee.state == clog_scratch_in_message || header.pointee.state == clog_scratch_in_values
    }

    /// The current record's number.
    @inline(__always)
    var serial: UInt64 { header.pointee.serial }

    /// Whether the record with this number is the current one, or waits below it.
    @inline(__always)
    func isAlive(_ serial: UInt64) -> Bool { serial == header.pointee.serial || clog_scratch_is_alive(header, serial) }

    /// True if the offset belongs to the current record, not to one below.
    @inline(__always)
    func owns(_ offset: Int) -> Bool { offset >= header.pointee.mark }

    /// How many objects and lists are open.
    @inline(__always)
    var nesting: Int {
        get { header.pointee.nesting }
        nonmutating set { header.pointee.nesting = newValue }
    }

    // MARK: Bytes

    /// Memory for `size` bytes at the end; valid until the next call.
    @inline(__always)
    func reserve(_ size: Int) -> UnsafeMutablePointer<UInt8> {
        if header.pointee.capacity &- header.pointee.count < size { clog_scratch_grow(header, size) }
        return header.pointee.base + header.pointee.count
    }

    /// True if `size` bytes can be written at `end`.
    @inlinable
    @inline(__always)
    func hasRoom(_ size: Int) -> Bool { header.pointee.capacity &- header.pointee.count >= size }

    /// Where the next byte goes.
    @inlinable
    @inline(__always)
    var end: UnsafeMutablePointer<UInt8> { header.pointee.base + header.pointee.count }

    @inlinable
    @inline(__always)
    func commit(_ size: Int) { header.pointee.count &+= size }

    /// Removes the bytes that were appended after `count` was read.
    @inline(__always)
    func rewind(to count: Int) { header.pointee.count = count }

    /// The byte at an offset; it may move with the next append.
    @inline(__always)
    func pointer(at offset: Int) -> UnsafeMutablePointer<UInt8> { header.pointee.base + offset }

    @inline(__always)
    func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        Memory.copy(base, bytes.count, to: reserve(bytes.count))
        commit(bytes.count)
    }

    /// Moves the bytes from `begin` on to `place`, which is in front of them, and ends the scratch behind them.
    func moveEnd(from begin: Int, to place: Int) {
        let size = count - begin
        move(from: begin, count: size, to: place)
        rewind(to: place + size)
    }

    /// Moves bytes; source and target may overlap.
    func move(from begin: Int, count size: Int, to place: Int) {
        (header.pointee.base + place).update(from: header.pointee.base + begin, count: size)
    }

    /// Appends a copy of the bytes at `start`.
    func appendCopy(from start: Int, count size: Int) {
        let target = reserve(size)
        target.update(from: header.pointee.base + start, count: size)
        commit(size)
    }

    /// Valid until the next append; in a sealed record, until `leave`.
    @inline(__always)
    func bytes(from start: Int, count: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: header.pointee.base + start, count: count)
    }
}
