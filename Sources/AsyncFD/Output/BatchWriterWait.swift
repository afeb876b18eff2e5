// What a batch writer waits for at its descriptor, so that it can give up.
import EventLoop

/// A batch writer's wait for its turn to write, or, in its turn, for room. There is at most one.
///
/// Loop thread only.
struct BatchWriterWait {
    private enum Cause {
        case turn(WriteQueue.Ticket)
        case room(Registration, Readiness.WaiterID)
    }

    private var cause: Cause?
    /// Tells a wait from those before it: the end of one that has been given up may have been on its way already.
    private(set) var number = 0

    /// A wait for the turn to write begins.
    mutating func begin(_ ticket: WriteQueue.Ticket) { cause = .turn(ticket) }

    /// A wait for room begins.
    mutating func begin(_ registration: Registration, _ waiter: Readiness.WaiterID) {
        cause = .room(registration, waiter)
    }

    /// What was waited for has come.
    mutating func end() {
        cause = nil
        number += 1
    }

    /// It is not waited for any more.
    mutating func giveUp(_ writers: WriteTurn) {
        switch cause {
        case .turn(let ticket): _ = writers.cancel(ticket)
        case .room(let registration, let waiter): registration.giveUp(.write, waiter)
        case nil: break
        }
        end()
    }
}
