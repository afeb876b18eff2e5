// The turn to write that all descriptors of one pipe, file, terminal or socket share.
//
// After `2>&1` the numbers 1 and 2 lead to the same pipe, and two objects write to it. When the kernel takes a part of
// what one of them writes, the rest must come next: other bytes in between tear a record. So the turn belongs to what
// the descriptors lead to. On one loop the writers wait in one queue (`WriteQueue`); several loops share the turn
// through `SharedWriteTurn`.
import EventLoop
import Glibc
import SystemPackage

/// One loop's part of a turn to write.
///
/// Unchecked: the queue is touched on the loop's thread only.
final class WriteTurn: @unchecked Sendable {
    let loop: EventLoop
    /// Nil: no other object leads to the same place.
    private let shared: SharedWriteTurn?
    /// Tells the loops of one shared turn apart; never 0.
    let number: UInt

    // Loop thread only.
    @exclusivity(unchecked) private var queue = WriteQueue()
    /// True while this loop waits for another one's turn to end.
    @exclusivity(unchecked) private var awaitsOtherLoop = false

    /// How often a loop that waits for another one's turn checks whether that one still runs.
    private static let checkInterval = Duration.seconds(1)

    init(on loop: EventLoop, _ shared: SharedWriteTurn?, number: UInt) {
        self.loop = loop
        self.shared = shared
        self.number = number
    }

    deinit { shared?.forget(number, of: loop) }

    /// True if a writer waits for the turn that is being taken now.
    var hasWaiting: Bool { queue.hasWaiting || shared?.isAwaited ?? false }

    /// Takes the turn for a writer of `descriptor`. False: another one has it, and the caller has to `wait`.
    func enter(_ descriptor: AsyncFD) -> Bool {
        guard queue.holder == nil, !awaitsOtherLoop, shared?.take(number) ?? true else { return false }
        queue.take(ObjectIdentifier(descriptor))
        return true
    }

    /// The ticket of the next writer that waits, for `cancel`.
    var nextTicket: WriteQueue.Ticket { queue.nextTicket }

    /// A task has been cancelled before it could `wait`: uses up its ticket.
    func skip() { queue.skip() }

    /// Call it after `enter` returned false. The writer is resumed when it has the turn, and not before this returns.
    func wait(_ descriptor: AsyncFD, _ writer: WriteQueue.Writer) {
        queue.wait(writer, ObjectIdentifier(descriptor))
        if queue.holder == nil, !awaitsOtherLoop { awaitOtherLoop() }
    }

    /// Removes and returns the writer with this ticket, or nil if it is no longer waiting.
    func cancel(_ ticket: WriteQueue.Ticket) -> WriteQueue.Writer? { queue.cancel(ticket) }

    /// The descriptor is closed. Its waiting writers are resumed with `.closed`; the one that has the turn fails at its
    /// next call, and leaves.
    func close(_ descriptor: AsyncFD) {
        for writer in queue.cancelAll(of: ObjectIdentifier(descriptor)) { writer.resume(.closed) }
    }

    /// A writer of `descriptor` gives the turn to the next in line. Does nothing if the writer does not have the turn:
    /// after `close`, writers are admitted without it.
    func leave(_ descriptor: AsyncFD) {
        guard queue.holder == ObjectIdentifier(descriptor) else { return }
        guard let shared, shared.isAwaited else { return passOn() }
        queue.release()
        shared.release(number)
        if queue.hasWaiting { awaitOtherLoop() }
    }

    private func passOn() {
        if let next = queue.next() { next.resume(.ready) } else { shared?.release(number) }
    }

    // MARK: Other loops

    private func awaitOtherLoop() {
        guard let shared else { return }
        awaitsOtherLoop = true
        if shared.wait(self) { loop.soon { self.granted() } } else { scheduleCheck() }
    }

    /// The turn has come to this loop.
    func granted() {
        awaitsOtherLoop = false
        passOn()
    }

    /// A task that has the turn when its loop ends never releases it.
    private func scheduleCheck() {
        loop.after(Self.checkInterval) { [weak self] in
            guard let self, awaitsOtherLoop, let shared else { return }
            if shared.takeFromEndedLoop(number) { granted() } else { scheduleCheck() }
        }
    }
}

extension AsyncFD {
    // Loop thread.

    /// The writers of what this descriptor leads to. A socket of our own does not share its turn: ten thousand
    /// connections need no entry in a table, although a program could hand the number of one to a second object.
    var writers: WriteTurn {
        if let turn { return turn }
        let made =
            isOurs && kind == .socket
            ? SharedWriteTurn.unshared(loop) : SharedWriteTurn.part(of: loop, descriptor.rawValue)
        turn = made
        return made
    }

    /// Takes the turn if it is free. After `close`, every writer is admitted at once so that its call fails with
    /// `.closed`.
    func enterTurn() -> Bool { isClosed || writers.enter(self) }

    /// Gives the turn to the next writer.
    func leaveTurn() { turn?.leave(self) }

    /// Resumes the waiting writers with `.closed`.
    func tellWriters() { turn?.close(self) }
}
