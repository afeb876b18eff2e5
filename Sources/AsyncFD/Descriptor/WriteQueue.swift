// Whose turn it is to write. Each write is written whole before the next begins, in the order of the calls.
import DequeModule
import EventLoop

/// The writers of one pipe, file, terminal or socket on one loop: the one that has the turn, and those that wait for
/// it.
///
/// Pure: returns the writer whose turn it is; the caller resumes it. All operations but `cancelAll` are O(1),
/// amortised.
struct WriteQueue {
    typealias Ticket = UInt64

    /// What waits for a turn: a task in `AsyncFD.write`, or an outlet.
    enum Writer {
        case task(UnsafeContinuation<Wake, Never>)
        case outlet(() -> Void)

        func resume(_ wake: Wake) {
            switch self {
            case .task(let continuation): continuation.resume(returning: wake)
            case .outlet(let body): body()
            }
        }
    }

    private struct Place {
        let writer: Writer
        let descriptor: ObjectIdentifier
    }

    /// The `AsyncFD` whose writer has the turn. Nil: the turn is free.
    private(set) var holder: ObjectIdentifier?
    /// The writer with ticket n waits at `waiting[n - first]`; nil once it has given up.
    private var waiting: Deque<Place?> = []
    private var first: Ticket = 0

    /// True if a writer waits, or has waited and given up.
    var hasWaiting: Bool { !waiting.isEmpty }

    /// A writer of this descriptor takes the turn, which must be free.
    mutating func take(_ descriptor: ObjectIdentifier) { holder = descriptor }

    /// The ticket that the next `wait` gets.
    var nextTicket: Ticket { first + UInt64(waiting.count) }

    mutating func wait(_ writer: Writer, _ descriptor: ObjectIdentifier) { waiting.append(Place(writer: writer, descriptor: descriptor)) }

    /// Removes and returns the writer with this ticket, or nil if it is no longer waiting.
    mutating func cancel(_ ticket: Ticket) -> Writer? {
        guard ticket >= first, ticket < nextTicket else { return nil }
        return waiting[Int(ticket - first)].take()?.writer
    }

    /// Removes and returns all waiting writers of one descriptor. The caller resumes them.
    mutating func cancelAll(of descriptor: ObjectIdentifier) -> [Writer] {
        waiting.indices.compactMap { waiting[$0]?.descriptor == descriptor ? waiting[$0].take()?.writer : nil }
    }

    /// Gives the turn to the next writer in line, which the caller has to resume. Nil: no writer waits, and the turn is
    /// free.
    mutating func next() -> Writer? {
        holder = nil
        while !waiting.isEmpty {
            first += 1
            guard let next = waiting.removeFirst() else { continue }
            holder = next.descriptor
            return next.writer
        }
        return nil
    }

    /// Frees the turn; the writers that wait go on waiting.
    mutating func release() { holder = nil }
}
