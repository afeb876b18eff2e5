// The order in which timers are due.
//
// A heap in which a node has four children: half as deep as one with two, and the four lie in one line of the
// processor's cache, so that a million deadlines are ten lines deep (A. LaMarca and R. Ladner, "The Influence of Caches
// on the Performance of Heaps", 1996). The root stands at place 3 of the memory: that puts the first of each four at
// the beginning of a line.

/// Not thread-safe. Adding and removing the first are O(log n).
struct DeadlineHeap: ~Copyable {
    struct Entry {
        fileprivate(set) var deadline: Instant
        /// The number of a timer, doubled, or the address of a `TimerCallback` and one.
        private let word: UInt64

        init(deadline: Instant, sequence: UInt64) {
            self.deadline = deadline
            word = sequence << 1
        }

        init(deadline: Instant, call: Unmanaged<TimerCallback>) {
            self.deadline = deadline
            word = UInt64(UInt(bitPattern: call.toOpaque())) | 1
        }

        var call: Unmanaged<TimerCallback>? {
            word & 1 == 0 ? nil : Unmanaged.fromOpaque(UnsafeRawPointer(bitPattern: UInt(word & ~1)).unsafelyUnwrapped)
        }

        /// Equal deadlines come in this order.
        var sequence: UInt64 { call.map { $0._withUnsafeGuaranteedRef { $0.sequence } } ?? word >> 1 }

        @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool {
            a.deadline == b.deadline ? a.sequence < b.sequence : a.deadline < b.deadline
        }
    }

    private static let smallest = 64
    private static let lead = 3

    private var memory: UnsafeMutablePointer<Entry>
    private(set) var capacity: Int
    private(set) var count = 0

    init() {
        capacity = DeadlineHeap.smallest
        memory = DeadlineHeap.allocate(capacity)
    }

    deinit { DeadlineHeap.free(memory, capacity) }

    private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        TableMemory.allocate(Entry.self, capacity: capacity + lead) + lead
    }

    private static func free(_ memory: UnsafeMutablePointer<Entry>, _ capacity: Int) {
        TableMemory.free(memory - lead, capacity: capacity + lead)
    }

    func forEach(_ body: (Entry) -> Void) {
        for index in 0..<count { body(memory[index]) }
    }

    var first: Entry? { count == 0 ? nil : memory[0] }

    mutating func insert(_ entry: Entry) {
        if count == capacity { resize(capacity * 2) }
        count += 1
        siftUp(entry, from: count - 1)
    }

    /// - Precondition: the heap is not empty.
    mutating func removeFirst() {
        count -= 1
        if count > 0 { siftDown(memory[count], from: 0) }
        if capacity > Self.smallest, count < capacity / 8 { shrink(to: max(Self.smallest, capacity / 4)) }
    }

    /// Takes out what is not to stay. O(n).
    mutating func removeAll(where isStale: (Entry) -> Bool) {
        var kept = 0
        for index in 0..<count where !isStale(memory[index]) {
            memory[kept] = memory[index]
            kept += 1
        }
        count = kept
        if count > 1 {
            for index in stride(from: (count - 2) / 4, through: 0, by: -1) { siftDown(memory[index], from: index) }
        }
        var room = capacity
        while room > Self.smallest, count < room / 4 { room /= 2 }
        shrink(to: room)
    }

    /// Moves all deadlines; one that never comes stays so. The order stays, too. O(n).
    func shift(by duration: Duration) {
        for index in 0..<count where memory[index].deadline != .distantFuture {
            memory[index].deadline = memory[index].deadline + duration
        }
    }

    private mutating func siftUp(_ entry: Entry, from index: Int) {
        var index = index
        while index > 0 {
            let parent = (index - 1) >> 2
            guard entry < memory[parent] else { break }
            memory[index] = memory[parent]
            index = parent
        }
        memory[index] = entry
    }

    private mutating func siftDown(_ entry: Entry, from index: Int) {
        var index = index
        while true {
            let child = index << 2 + 1
            guard child < count else { break }
            var least = child
            for other in child + 1..<min(child + 4, count) where memory[other] < memory[least] { least = other }
            guard memory[least] < entry else { break }
            memory[index] = memory[least]
            index = least
        }
        memory[index] = entry
    }

    private mutating func shrink(to room: Int) {
        let room = TableMemory.shrunken(capacity, to: room)
        if room < capacity { resize(room) }
    }

    private mutating func resize(_ room: Int) {
        let other = Self.allocate(room)
        other.update(from: memory, count: count)
        Self.free(memory, capacity)
        memory = other
        capacity = room
    }
}
