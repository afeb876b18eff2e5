// A first-in-first-out queue in a ring whose size is a power of two: the run queue, and whatever else is queued on a hot path.
//
// It grows and never shrinks: what a program needed once it will need again. `Deque` does the same for values of any kind, at
// the price of a uniqueness check with every step. (Other modules of the package use it for `UInt32`: hence the specialisations.)

/// Not thread-safe. All operations are O(1), amortised.
package struct Ring<Element: BitwiseCopyable>: ~Copyable {
    private var ring: UnsafeMutablePointer<Element>
    private var capacity: Int
    private var head = 0
    package private(set) var count = 0

    package init(capacity: Int = 256) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "the ring's size is a power of two")
        self.capacity = capacity
        ring = .allocate(capacity: capacity)
    }

    deinit { ring.deallocate() }

    package var isEmpty: Bool { count == 0 }

    /// - Precondition: the queue is not empty.
    package var first: Element {
        @specialized(where Element == UInt32) get { ring[head] }
        @specialized(where Element == UInt32) set { ring[head] = newValue }
    }

    @specialized(where Element == UInt32)
    package mutating func append(_ element: Element) {
        if count == capacity { grow() }
        (ring + ((head + count) & (capacity - 1))).initialize(to: element)
        count += 1
    }

    /// - Precondition: the queue is not empty.
    @specialized(where Element == UInt32)
    package mutating func removeFirst() -> Element {
        let element = ring[head]
        head = (head + 1) & (capacity - 1)
        count -= 1
        return element
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        let untilEnd = capacity - head
        larger.initialize(from: ring + head, count: untilEnd)
        (larger + untilEnd).initialize(from: ring, count: head)
        ring.deallocate()
        ring = larger
        head = 0
        capacity *= 2
    }
}
