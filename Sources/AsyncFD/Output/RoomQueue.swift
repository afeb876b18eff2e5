// Who waits for room in a buffer, in the order in which they came.
import DequeModule

/// Pure: says whose turn it is; telling them is for the buffer.
struct RoomQueue {
    struct Place {
        let size: Int
        let severity: UInt8
        /// Called once, with what came of the wait.
        let body: (OutputBuffer.Room) -> Void
    }

    /// Who gives up leaves a hole, so that the others' numbers stay what they are.
    private var places: Deque<Place?> = []
    /// The number of the one who has waited longest: all before have been let in, or refused.
    private(set) var firstTicket: UInt64 = 0

    var isEmpty: Bool { places.isEmpty }
    /// The number of the next one who comes.
    var nextTicket: UInt64 { firstTicket + UInt64(places.count) }

    mutating func enter(_ place: Place) { places.append(place) }

    /// Who has this number, if he still waits; he does not any more.
    mutating func leave(_ ticket: UInt64) -> Place? {
        guard ticket >= firstTicket, ticket < nextTicket else { return nil }
        return places[Int(ticket - firstTicket)].take()
    }

    /// The first one, who waits no more; nil if there is none, or he has to wait on.
    mutating func next(if mayEnter: (Place) -> Bool) -> Place? {
        while let first = places.first {
            if let first, !mayEnter(first) { return nil }
            places.removeFirst()
            firstTicket += 1
            if let first { return first }
        }
        return nil
    }
}
