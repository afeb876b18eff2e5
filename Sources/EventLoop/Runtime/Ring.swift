// A first-in-first-out queue in a ring whose size is a power of two: the run queue, and whatever else is queued on a
// hot path.
//
// It grows and never shrinks: what a program needed once it will need again. `Deque` does the same for values of any
// kind, at the price of a uniqueness check with every step. Public, although it is an implementation detail: only what
// is public can be inlined into another module, and a queue that is not would be ten times as slow there.

/// Not thread-safe. All operations are O(1), amortised.
@_spi(Internals) public struct Ring<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline var ring: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline var head = 0
    public var count = 0

    @inlinable
    public init(capacity: Int = 256) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "capacity must be a power of two")
        self.capacity = capacity
        ring = .allocate(capacity: capacity)
    }

    @inlinable
    deinit { ring.deallocate() }

    @inlinable
    public var isEmpty: Bool { count == 0 }

    /// - Precondition: the queue is not empty.
    @inlinable
    public var first: Element {
        get { ring[head] }
        set { ring[head] = newValue }
    }

    /// The element that is so many places behind the first.
    @inlinable
    public subscript(index: Int) -> Element {
        get { ring[(head &+ index) & (capacity &- 1)] }
        set { ring[(head &+ index) & (capacity &- 1)] = newValue }
    }

    /// Takes out one that is not the first: O(index).
    @inlinable
    public mutating func remove(at index: Int) {
        for place in stride(from: index, to: 0, by: -1) { self[place] = self[place - 1] }
        _ = removeFirst()
    }

    @inlinable
    @inline(__always)
    public mutating func append(_ element: Element) {
        if count == capacity { grow() }
        (ring + ((head &+ count) & (capacity &- 1))).initialize(to: element)
        count &+= 1
    }

    /// - Precondition: the queue is not empty.
    @inlinable
    public mutating func removeFirst() -> Element {
        let element = ring[head]
        head = (head &+ 1) & (capacity &- 1)
        count &-= 1
        return element
    }

    @inlinable
    @inline(never)
    mutating func grow() {
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
