// What is due, by the timer's number.
//
// Open addressing with linear probing in Robin Hood order: slots of one run are sorted by the place where they would
// like to be, so that a search ends, and a deletion stops shifting back, at the first slot that is better placed than
// what is searched for (P. Celis, "Robin Hood Hashing", 1986). Numbers are handed out one after the other; eight
// neighbours stay neighbours, for the cache's sake, and the blocks of eight are spread by Fibonacci hashing. Since a
// slot is found by number and not by place, the table can be rebuilt at any size while timers are alive; that is why it
// is not an array.

/// Loop thread only. All operations are O(1), amortised.
struct TimerTable: ~Copyable {
    private struct Slot: BitwiseCopyable {
        /// 0: the slot is free, and the action means nothing.
        var number: UInt64
        var action: Timers.Action
    }

    private static let smallest = 64

    private var slots: UnsafeMutablePointer<Slot>
    private(set) var capacity: Int
    private(set) var count = 0

    init() {
        capacity = TimerTable.smallest
        slots = TableMemory.allocate(Slot.self, capacity: capacity)
    }

    deinit { TableMemory.free(slots, capacity: capacity) }

    private var mask: Int { capacity - 1 }

    private func home(_ number: UInt64) -> Int {
        let block = ((number >> 3) &* 0x9E37_79B9_7F4A_7C15) >> UInt64(capacity.leadingZeroBitCount + 4)
        return Int(block << 3 | number & 7)
    }

    /// How far from its home the occupant of `slot` is.
    private func distance(_ number: UInt64, _ slot: Int) -> Int { (slot - home(number)) & mask }

    private func find(_ number: UInt64) -> Int? {
        var slot = home(number)
        var travelled = 0
        while slots[slot].number != number {
            if slots[slot].number == 0 || distance(slots[slot].number, slot) < travelled { return nil }
            slot = (slot + 1) & mask
            travelled += 1
        }
        return slot
    }

    func contains(_ number: UInt64) -> Bool { find(number) != nil }

    /// - Precondition: `number` is new and not 0.
    mutating func insert(_ number: UInt64, _ action: Timers.Action) {
        if (count + 1) * 4 > capacity * 3 { resize(capacity * 2) }
        place(Slot(number: number, action: action))
        count += 1
    }

    private mutating func place(_ newcomer: Slot) {
        var homeless = newcomer
        var slot = home(homeless.number)
        var travelled = 0
        while slots[slot].number != 0 {
            let other = distance(slots[slot].number, slot)
            if other < travelled {
                swap(&homeless, &slots[slot])
                travelled = other
            }
            slot = (slot + 1) & mask
            travelled += 1
        }
        slots[slot] = homeless
    }

    /// Returns the action, if `number` is in the table.
    mutating func remove(_ number: UInt64) -> Timers.Action? {
        guard var hole = find(number) else { return nil }
        let action = slots[hole].action
        count -= 1
        // The entries behind that are not at home move up.
        var next = (hole + 1) & mask
        while slots[next].number != 0, distance(slots[next].number, next) > 0 {
            slots[hole] = slots[next]
            hole = next
            next = (next + 1) & mask
        }
        slots[hole].number = 0
        if capacity > Self.smallest, count < capacity / 8 {
            let room = TableMemory.shrunken(capacity, to: capacity / 4)
            if room < capacity { resize(room) }
        }
        return action
    }

    private mutating func resize(_ room: Int) {
        let (old, oldCapacity) = (slots, capacity)
        slots = TableMemory.allocate(Slot.self, capacity: room)
        capacity = room
        for slot in 0..<oldCapacity where old[slot].number != 0 { place(old[slot]) }
        TableMemory.free(old, capacity: oldCapacity)
    }
}
