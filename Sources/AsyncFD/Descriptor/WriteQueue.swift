// Whose turn it is to write. Each write is written whole before the next begins, in the order of the calls.
import EventLoop

/// The writers of one pipe, file, terminal or socket on one loop: the one that has the turn, and those that wait for
/// it.
///
/// Pure: returns the writer whose turn it is; the caller resumes it. All operations but `cancelAll` are O(1),
/// amortised.
struct WriteQueue {
    typealias Ticket = TicketQueue<Place>.Ticket

    /// What waits for a turn: a task in `AsyncFD.write`, or a batch writer.
    enum Writer {
        case task(UnsafeContinuation<Wake, Never>)
        case batchWriter(() -> Void)

        func resume(_ wake: Wake) {
            switch self {
            case .task(let continuation): continuation.resume(returning: wake)
            case .batchWriter(let body): body()
            }
        }
    }

    struct Place {
        let writer: Writer
        let descriptor: ObjectIdentifier
    }

    /// The `AsyncFD` whose writer has the turn. Nil: the turn is free.
    private(set) var holder: ObjectIdentifier?
    private var waiting = TicketQueue<Place>()

    /// True if a writer waits.
    var hasWaiting: Bool { !waiting.isEmpty }

    /// A writer of this descriptor takes the turn, which must be free.
    mutating func take(_ descriptor: ObjectIdentifier) { holder = descriptor }

    /// The ticket that the next `wait` gets.
    var nextTicket: Ticket { waiting.nextTicket }

    mutating func wait(_ writer: Writer, _ descriptor: ObjectIdentifier) {
        waiting.enter(Place(writer: writer, descriptor: descriptor))
    }

    /// A task has been cancelled before it could `wait`: uses up its ticket.
    mutating func skip() { waiting.skip() }

    /// Removes and returns the writer with this ticket, or nil if it is no longer waiting.
    mutating func cancel(_ ticket: Ticket) -> Writer? {
        waiting.cancel(ticket)?.writer
    }

    /// Removes and returns all waiting writers of one descriptor. The caller resumes them.
    mutating func cancelAll(of descriptor: ObjectIdentifier) -> [Writer] {
        waiting.cancelAll { $0.descriptor == descriptor }.map(\.writer)
    }

    /// Gives the turn to the next writer in line, which the caller has to resume. Nil: no writer waits, and the turn is
    /// free.
    mutating func next() -> Writer? {
        let next = waiting.popFirst()
        holder = next?.descriptor
        return next?.writer
    }

    /// Frees the turn; the writers that wait go on waiting.
    mutating func release() { holder = nil }
}
