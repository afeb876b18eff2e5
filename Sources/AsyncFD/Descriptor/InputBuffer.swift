// Bytes that have been read and not asked for yet: the rest behind a line, what came before a read failed.
//
// Every way of reading takes from here first. So a program can leave a loop over `lines` and continue it, reads of
// different kinds can follow each other, and a read that is cancelled or ends too early has lost nothing.
import Glibc

/// Loop thread only; but a thread of the pool may fill the room that it was given.
struct InputBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0
    /// How much to read at once. Grows while reads fill it, so that an idle connection holds little memory and a busy
    /// one makes few calls.
    private var chunk = 4096
    private static let largestChunk = 65_536

    deinit { base?.deallocate() }

    var count: Int { end - start }
    var isEmpty: Bool { start == end }

    /// Valid until the next mutation.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count) }

    /// Memory for more. Tell with `fill` how much of it was used.
    mutating func room(atLeast size: Int = 0) -> UnsafeMutableRawBufferPointer {
        let size = max(size, chunk)
        if capacity - end < size {
            if capacity - count >= size, let base {
                base.copyMemory(from: base + start, byteCount: count)
            } else {
                let larger = UnsafeMutableRawPointer.allocate(byteCount: max(count + size, capacity * 2), alignment: 16)
                if let base {
                    larger.copyMemory(from: base + start, byteCount: count)
                    base.deallocate()
                }
                capacity = max(count + size, capacity * 2)
                base = larger
            }
            end -= start
            start = 0
        }
        return UnsafeMutableRawBufferPointer(start: base! + end, count: size)
    }

    mutating func fill(_ size: Int, of room: Int) {
        end += size
        if size == room { chunk = min(chunk * 2, Self.largestChunk) }
    }

    mutating func consume(_ size: Int) {
        start += size
        guard start == end else { return }
        start = 0
        end = 0
        // A line of a megabyte was the exception.
        if capacity > 4 * Self.largestChunk { free() }
    }

    mutating func free() {
        base?.deallocate()
        base = nil
        capacity = 0
        start = 0
        end = 0
    }

    /// Takes the oldest bytes, as many as fit.
    mutating func take(into memory: UnsafeMutableRawBufferPointer) -> Int {
        let size = min(memory.count, count)
        if size > 0 { memory.baseAddress!.copyMemory(from: base! + start, byteCount: size) }
        consume(size)
        return size
    }

    mutating func take(_ size: Int) -> [UInt8] {
        let bytes = [UInt8](bytes[..<size])
        consume(size)
        return bytes
    }

    mutating func takeByte() -> UInt8? {
        guard start < end else { return nil }
        let byte = base!.load(fromByteOffset: start, as: UInt8.self)
        consume(1)
        return byte
    }

    /// The position of the first line feed at or behind `position`.
    func lineFeed(from position: Int) -> Int? {
        guard let base, position < count, let found = memchr(base + start + position, 0x0A, count - position) else {
            return nil
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(base + start)
    }
}
