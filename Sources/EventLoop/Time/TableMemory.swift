// The memory of a table that may hold a dozen timers or a million.
//
// A large table's comes straight from the kernel. malloc(3) keeps small blocks that were freed apart, until it is asked
// for a large one or gets one back; then it joins them, all at once (`malloc_consolidate` in glibc). After half a
// million timers have fired that takes a tenth of a second: a table that gets smaller because its timers fire would
// make the rest of them late by as much.
import CEventLoop

enum TableMemory {
    /// From so many elements on.
    private static let large = 1024

    /// At the beginning of a line of the processor's cache; all bytes are zero.
    static func allocate<Element>(_: Element.Type, capacity: Int) -> UnsafeMutablePointer<Element> {
        let size = capacity * MemoryLayout<Element>.stride
        guard capacity >= large else {
            let bytes = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            bytes.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            return bytes.bindMemory(to: Element.self, capacity: capacity)
        }
        guard let bytes = cel_map(size) else { preconditionFailure("no memory for \(capacity) timers") }
        return bytes.bindMemory(to: Element.self, capacity: capacity)
    }

    /// - Parameter capacity: what it was allocated with.
    static func free<Element>(_ memory: UnsafeMutablePointer<Element>, capacity: Int) {
        guard capacity >= large else { return UnsafeMutableRawPointer(memory).deallocate() }
        cel_unmap(memory, capacity * MemoryLayout<Element>.stride)
    }

    /// What a table of this capacity may shrink to: one that has been large stays out of malloc's way.
    static func shrunken(_ capacity: Int, to room: Int) -> Int { capacity < large ? room : max(room, large) }
}
