// Whose turn it is to write. Each write goes out whole before the next begins, in the order in which they came.
import DequeModule
import EventLoop

/// Who waits for a turn: a task in `AsyncFD.write`, or an outlet.
///
/// Loop thread only. All operations are O(1), amortised.
struct WriteQueue {
    typealias Ticket = UInt64

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

    private var isTaken = false
    private var isClosed = false
    /// The writer with ticket n waits at `waiting[n - first]`; nil once it has given up.
    private var waiting: Deque<Writer?> = []
    private var first: Ticket = 0

    /// Nobody writes, and the descriptor is open.
    var isFree: Bool { !isTaken && !isClosed }

    /// True if somebody waits for the turn that is being taken now.
    var hasWaiting: Bool { !waiting.isEmpty }

    /// Takes the turn if nobody has it. On a closed descriptor everybody may try, and is told.
    mutating func enter() -> Bool {
        guard !isClosed else { return true }
        guard !isTaken else { return false }
        isTaken = true
        return true
    }

    /// The ticket that the next `wait` gets.
    var nextTicket: Ticket { first + UInt64(waiting.count) }

    mutating func wait(_ writer: Writer) { waiting.append(writer) }

    /// Gives up waiting. Nil if the turn has come already.
    mutating func cancel(_ ticket: Ticket) -> Writer? {
        guard ticket >= first, ticket < nextTicket else { return nil }
        return waiting[Int(ticket - first)].take()
    }

    /// Gives the turn to the next in line, who has to be resumed.
    mutating func leave() -> Writer? {
        while !waiting.isEmpty {
            first += 1
            if let next = waiting.removeFirst() { return next }
        }
        isTaken = false
        return nil
    }

    /// The descriptor is closed: all who wait are told, and find out why when they try.
    mutating func close() {
        isClosed = true
        let told = waiting
        first += UInt64(waiting.count)
        waiting.removeAll()
        for writer in told { writer?.resume(.closed) }
    }
}
