// Memory in which a thread builds a text before it is known where the text goes. One buffer a thread, used like a stack, so that
// building a text allocates nothing.
import CEventLoop
import Glibc

/// A thread's scratch memory. Valid on the thread that asked for it.
///
///     let scratch = Scratch.current
///     let mark = scratch.enter()
///     scratch.append(bytes)
///     … use scratch.bytes(from: mark) …
///     scratch.leave(mark)
@usableFromInline
struct Scratch: BitwiseCopyable {
    @usableFromInline let header: UnsafeMutablePointer<cel_scratch>

    /// Texts built beyond this size give their memory back.
    private static let keptCapacity = 65_536

    @inline(__always)
    static var current: Scratch { Scratch(header: cel_current_scratch()) }

    @inline(__always)
    var count: Int { header.pointee.count }

    /// True while somebody builds a text, so that what is appended will be taken off again.
    @inline(__always)
    var isInUse: Bool { header.pointee.depth > 0 }

    /// Counts the outermost uses: a place in the scratch means something only for as long as this stays the same.
    @inline(__always)
    var epoch: UInt64 { header.pointee.epoch }

    @inline(__always)
    func enter() -> Int {
        if header.pointee.depth == 0 { header.pointee.epoch &+= 1 }
        header.pointee.depth &+= 1
        return header.pointee.count
    }

    @inline(__always)
    func leave(_ mark: Int) {
        header.pointee.count = mark
        header.pointee.depth &-= 1
        if header.pointee.capacity > Scratch.keptCapacity { giveBack() }
    }

    @inline(never)
    private func giveBack() {
        if header.pointee.depth == 0 { resize(1024) }
    }

    /// Memory for `size` bytes at the end; valid until the next call.
    @inline(__always)
    func reserve(_ size: Int) -> UnsafeMutablePointer<UInt8> {
        if header.pointee.capacity &- header.pointee.count < size { grow(size) }
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

    /// Takes off what was appended after `count` was read.
    @inline(__always)
    func rewind(to count: Int) { header.pointee.count = count }

    /// The byte at an offset; moves when something is appended.
    @inline(__always)
    func pointer(at offset: Int) -> UnsafeMutablePointer<UInt8> { header.pointee.base + offset }

    @inline(__always)
    func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        Memory.copy(base, bytes.count, to: reserve(bytes.count))
        commit(bytes.count)
    }

    /// Moves what has been written from `begin` on to `place`, which is in front of it, and makes that the end.
    func moveEnd(from begin: Int, to place: Int) {
        let size = count - begin
        move(from: begin, count: size, to: place)
        rewind(to: place + size)
    }

    /// Moves bytes; the places may overlap.
    func move(from begin: Int, count size: Int, to place: Int) {
        (header.pointee.base + place).update(from: header.pointee.base + begin, count: size)
    }

    /// Appends a copy of what stands at `start`.
    func appendCopy(from start: Int, count size: Int) {
        let target = reserve(size)
        target.update(from: header.pointee.base + start, count: size)
        commit(size)
    }

    /// Valid until something is appended.
    @inline(__always)
    func bytes(from start: Int, count: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: header.pointee.base + start, count: count)
    }

    @inline(never)
    private func grow(_ size: Int) { resize(max(header.pointee.capacity * 2, header.pointee.count + size)) }

    private func resize(_ capacity: Int) {
        guard let base = realloc(header.pointee.base, capacity) else { fatalError("no memory for a text of \(capacity) bytes") }
        header.pointee.base = base.assumingMemoryBound(to: UInt8.self)
        header.pointee.capacity = capacity
    }
}
