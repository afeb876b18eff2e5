// Records that find no room in the buffer: they wait in line, and are let in in the order in which they came.

import EventLoop

extension RecordBuffer {
    /// Calls `body` when `size` bytes are free and every earlier waiter has been let in, or when it is known that they
    /// never will be: at once or later. With `.granted` it appends its record on the spot, before anything else can
    /// happen. So records come out in the order in which they were accepted, and none that has been let in is lost when
    /// the program ends and no task runs any more.
    ///
    /// - Returns: what `cancel` needs. Nil if there will be no waiting.
    @discardableResult
    package func whenRoom(_ size: Int, _ severity: UInt8 = 0, _ body: @escaping (Room) -> Void) -> UInt64? {
        if writer.failure != nil {
            body(.refused(.failure))
            return nil
        }
        let ticket = waiting.nextTicket
        waiting.enter(RoomWaiter(size: size, severity: severity, body: body))
        writer.addUnwritten(1)
        writer.pushOut()
        admitWaiting()
        return ticket
    }

    /// The same for a task: suspends until `body` has been called. The record of a cancelled task is refused.
    package func waitForRoom(_ size: Int, _ body: @escaping (Room) -> Void) async {
        let ticket = waiting.nextTicket
        await parkTask { (continuation: UnsafeContinuation<Void, Never>) in
            if Task.isCancelled {
                waiting.skip()
                body(.refused(.cancelled))
                return continuation.resume()
            }
            whenRoom(size) { room in
                body(room)
                continuation.resume()
            }
        } onCancel: {
            loop.perform { self.cancel(ticket) }
        }
    }

    /// Refuses a record that still waits.
    package func cancel(_ ticket: UInt64) {
        if let waiter = waiting.cancel(ticket) { answer(waiter, .refused(.cancelled)) }
        admitWaiting()
    }

    /// The ticket of the next record that has to wait for room.
    var nextTicket: UInt64 { waiting.nextTicket }

    /// True if no record with a ticket below this one waits for room any more.
    func hasAdmitted(_ ticket: UInt64) -> Bool { waiting.firstTicket >= ticket }

    func admitWaiting() {
        while let first = waiting.popFirst(if: { fits($0.size, $0.severity) }) { answer(first, .granted) }
    }

    func refuseWaiting(_ reason: Ledger.DropReason) {
        while let first = waiting.popFirst() { answer(first, .refused(reason)) }
    }

    private func answer(_ waiter: RoomWaiter, _ room: Room) {
        writer.addUnwritten(-1)
        waiter.body(room)
    }
}
