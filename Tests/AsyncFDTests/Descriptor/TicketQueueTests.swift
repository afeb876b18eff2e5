// A queue whose waiters can give up, against the hazards of its tickets.
import Testing

@testable import AsyncFD

@Suite struct TicketQueueTests {
    @Test("a ticket whose task was cancelled before it could wait is not given to the next waiter")
    func skippedTicket() {
        var queue = TicketQueue<String>()
        let cancelled = queue.nextTicket
        queue.skip()
        queue.enter("next")
        #expect(queue.cancel(cancelled) == nil)
        #expect(queue.popFirst() == "next")
    }

    @Test("a queue whose waiters have all been cancelled is empty, and keeps no memory of them")
    func allCancelled() {
        var queue = TicketQueue<Int>()
        let tickets = (0..<4).map { waiter in
            defer { queue.enter(waiter) }
            return queue.nextTicket
        }
        for ticket in [1, 3, 0, 2] { #expect(queue.cancel(tickets[ticket]) == ticket) }
        #expect(queue.isEmpty && queue.firstTicket == queue.nextTicket)
        #expect(queue.cancel(tickets[0]) == nil)
    }

    @Test("a waiter that may not leave keeps the others behind it")
    func order() {
        var queue = TicketQueue<Int>()
        for waiter in [5, 1, 2] { queue.enter(waiter) }
        #expect(queue.popFirst { $0 < 3 } == nil)
        #expect(queue.popFirst() == 5)
        #expect(queue.popFirst { $0 < 3 } == 1)
        #expect(queue.removeAll() == [2])
    }

    @Test("waiters that are put back keep their tickets, with a cancelled one between them")
    func putBack() {
        var queue = TicketQueue<Int>()
        for waiter in 0..<4 { queue.enter(waiter) }
        _ = queue.cancel(1)
        let taken = [queue.popFirst(), queue.popFirst()]
        #expect(taken == [0, 2])
        queue.putBack(2, 2)
        queue.putBack(0, 0)
        #expect(queue.cancel(1) == nil)
        #expect(queue.cancel(2) == 2)
        #expect(queue.removeAll() == [0, 3])
    }

    @Test("cancelling some of the waiters leaves the others in order")
    func cancelSome() {
        var queue = TicketQueue<Int>()
        for waiter in 0..<6 { queue.enter(waiter) }
        #expect(queue.cancelAll { $0 % 2 == 0 } == [0, 2, 4])
        #expect(queue.removeAll() == [1, 3, 5])
    }
}
