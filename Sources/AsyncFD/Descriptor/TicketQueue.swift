// A first-in, first-out queue whose waiters can give up: every queue of tasks or callbacks in this module is one.
import DequeModule

/// Waiters in order of arrival, each with a ticket.
///
/// Pure: it returns the waiter that the caller has to resume. `enter` and `popFirst` are O(1), amortised, and so is
/// `cancel`.
package struct TicketQueue<Waiter> {
    /// Tickets ascend in the order of arrival, and each is used once.
    package typealias Ticket = UInt64

    /// The waiter with ticket n is at `places[n - firstTicket]`; nil after it has been cancelled. The first place is
    /// never nil, so that `isEmpty` is exact.
    private var places: Deque<Waiter?> = []
    /// The ticket of the first place: every waiter with a lower one has left the queue.
    package private(set) var firstTicket: Ticket = 0

    package init() {}

    package var isEmpty: Bool { places.isEmpty }
    /// The ticket that the next `enter` gets.
    package var nextTicket: Ticket { firstTicket + UInt64(places.count) }
    /// The waiter that has waited longest.
    package var first: Waiter? { places.first ?? nil }

    package mutating func enter(_ waiter: Waiter) { places.append(waiter) }

    /// Uses up the next ticket. A task that is cancelled between `nextTicket` and `enter` must call this: its
    /// cancellation handler may still `cancel` that ticket, and would hit the next waiter.
    package mutating func skip() {
        places.append(nil)
        trim()
    }

    /// Removes and returns the waiter with this ticket, or nil if it is no longer waiting.
    package mutating func cancel(_ ticket: Ticket) -> Waiter? {
        guard ticket >= firstTicket, ticket < nextTicket else { return nil }
        defer { trim() }
        return places[Int(ticket - firstTicket)].take()
    }

    /// Removes and returns every waiter that satisfies the condition. O(n).
    package mutating func cancelAll(where isCancelled: (Waiter) -> Bool) -> [Waiter] {
        defer { trim() }
        return places.indices.compactMap { index in
            places[index].flatMap { isCancelled($0) ? places[index].take() : nil }
        }
    }

    /// Removes and returns every waiter.
    package mutating func removeAll() -> [Waiter] { cancelAll { _ in true } }

    /// Removes and returns the first waiter.
    package mutating func popFirst() -> Waiter? { popFirst { _ in true } }

    /// Removes and returns the first waiter if it satisfies the condition; if it does not, every other waiter stays
    /// behind it.
    package mutating func popFirst(if mayLeave: (Waiter) -> Bool) -> Waiter? {
        guard let first, mayLeave(first) else { return nil }
        places.removeFirst()
        firstTicket += 1
        trim()
        return first
    }

    /// Puts a waiter that has left the queue back at its front.
    ///
    /// - Precondition: every waiter with a lower ticket has left the queue.
    package mutating func putBack(_ waiter: Waiter, _ ticket: Ticket) {
        precondition(ticket < firstTicket, "putBack: the ticket must be lower than that of every waiter in the queue")
        while firstTicket > ticket + 1 {
            places.prepend(nil)
            firstTicket -= 1
        }
        places.prepend(waiter)
        firstTicket = ticket
    }

    private mutating func trim() {
        while let first = places.first, case nil = first {
            places.removeFirst()
            firstTicket += 1
        }
    }
}
