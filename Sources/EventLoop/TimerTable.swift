// What is due, by the timer's number.
//
// Open addressing with linear probing in Robin Hood order: slots of one run are sorted by the place where they would like to be, so that a
// search ends, and a deletion stops shifting back, at the first slot that is better placed than what is searched for (P. Celis, "Robin
// Hood Hashing", 1986). Numbers are handed out one after the other; eight neighbours stay neighbours, for the cache's sake, and
// the blocks of eight are spread by Fibonacci hashing. Since a slot is found by number and not by place, the table can be
// rebuilt at any size while timers are alive; that is why it is not an array.

/// Loop thread only. All operations are O(1), amortised.
struct TimerTable {
    private struct Slot {
        /// 0: the slot is free.
        var number: UInt64 = 0
        /// Nil while the timer is only reserved.
        var action: Timers.Action?
    }

    private static let smallest = 64

    private var slots = [Slot](repeating: Slot(), count: TimerTable.smallest)
    private(set) var count = 0

    var capacity: Int { slots.count }

    private var mask: Int { slots.count - 1 }

    private func home(_ number: UInt64) -> Int {
        let block = ((number >> 3) &* 0x9E37_79B9_7F4A_7C15) >> UInt64(slots.count.leadingZeroBitCount + 4)
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
    mutating func insert(_ number: UInt64) {
        if (count + 1) * 4 > slots.count * 3 { resize(slots.count * 2) }
        place(Slot(number: number))
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

    mutating func set(_ number: UInt64, _ action: Timers.Action) {
        guard let slot = find(number), slots[slot].action == nil else { preconditionFailure("a timer is set once, between reserve and cancel") }
        slots[slot].action = action
    }

    /// Returns the action, if `number` is in the table and has one.
    mutating func remove(_ number: UInt64) -> Timers.Action? {
        guard var hole = find(number) else { return nil }
        let action = slots[hole].action.take()
        slots[hole].number = 0
        count -= 1
        // Those behind who are not at home move up.
        var next = (hole + 1) & mask
        while slots[next].number != 0, distance(slots[next].number, next) > 0 {
            slots.swapAt(hole, next)
            hole = next
            next = (next + 1) & mask
        }
        if slots.count > Self.smallest, count < slots.count / 8 { resize(slots.count / 4) }
        return action
    }

    private mutating func resize(_ capacity: Int) {
        var old = [Slot](repeating: Slot(), count: capacity)
        swap(&slots, &old)
        for slot in old where slot.number != 0 { place(slot) }
    }
}
