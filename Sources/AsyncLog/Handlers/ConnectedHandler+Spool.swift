// Where a connected handler's records go: to the connection, to the disk, or nowhere for now; and how they are led from one to the other.
//
//     nowhere ── a connection, and nothing on disk ──► connection
//        │ no connection, or something on disk             │ broke
//        ▼                                                 ▼
//      disk ◄───────────────────────────────────────── nowhere
//        │ a connection; the drain has sent all that was in the file; the outlet is held; the file is emptied
//        └──► connection
//
// `arrange` is called whenever one of these may have changed, and does what follows from how things stand.
import AsyncFD
import EventLoop

extension ConnectedHandler {
    final func openDisk() {
        guard let disk, disk.tail == nil, !disk.isOpening else { return }
        disk.open { [self] torn in
            if torn > 0 { say("\"\(disk.path)\": \(torn) bytes of a record that was not finished have been cut off", .warning) }
            if let trouble = disk.trouble { enter(.degraded(trouble)) }
            arrange()
            failIfNowhere()
        }
    }

    /// Records have nowhere to go, and nobody is looking for a place: who waits for a flush is told now.
    final func failIfNowhere() {
        guard destination == .nowhere, connection == nil, dial == nil, disk?.isOpening != true, let reason else { return }
        buffer.outlet.fail(reason)
    }

    /// Leads records to where they have to go as things stand.
    final func arrange() {
        noteSpooled()
        guard disk?.isBusy != true else { return }
        guard let disk, let tail = disk.tail else {
            if let connection, destination != .connection { lead(to: connection) }
            return
        }
        if let connection, disk.isEmpty {
            guard destination != .connection else { return }
            isSwitching = true
            // What is being written right now will be in the file, and has to go first. It may be the last for long: nobody else would ask again.
            guard buffer.outlet.hold() else { return arrangeLater() }
            if !disk.isSpent { return lead(to: connection) }
            disk.clear { [self] error in
                if let error { return broke(error, connection) }
                arrange()
            }
        } else if connection != nil || reason != nil || !disk.isEmpty {
            if destination != .disk { spool(to: tail) } else if isSwitching, connection == nil { stay() }
            if let connection, drain?.isOver != false { send(disk, over: connection) }
        }
    }

    private final func arrangeLater() {
        guard !isArrangementSet else { return }
        isArrangementSet = true
        loop.after(.milliseconds(2)) { [self] in
            isArrangementSet = false
            arrange()
        }
    }

    final func lead(to connection: AsyncFD) {
        isSwitching = false
        destination = .connection
        buffer.outlet.delivery = endpoint.isDatagrams ? .datagrams : .wholeRecords
        buffer.outlet.lead(to: connection)
        if case .udp = endpoint, reason != nil { probation = .probing } else { works() }
        buffer.outlet.resume()
    }

    final func spool(to tail: AsyncFD) {
        destination = .disk
        writtenBefore = buffer.writtenBytes
        buffer.outlet.delivery = .wholeRecords
        buffer.outlet.lead(to: tail)
        buffer.outlet.recover()
        buffer.outlet.resume()
    }

    /// The connection that records were about to be led to has gone.
    final func stay() {
        isSwitching = false
        buffer.outlet.resume()
    }

    final func send(_ disk: DiskSpool, over connection: AsyncFD) {
        drain = SpoolDrain(disk, to: connection, isDatagrams: endpoint.isDatagrams) { [self] in
            noteSpooled()
        } broke: { [self] error in
            loop.soon { [self] in broke(error, connection) }
        } skipped: { [self] error in
            explain(error)
        } done: { [self] result in
            drain = nil
            if case .failure(let error) = result {
                say("\(error)", .error)
                // A file that cannot be read now may be readable later, over another connection.
                if !disk.isEmpty { return broke(error, connection) }
            }
            arrange()
        }
    }

    final func noteSpooled() {
        guard destination == .disk, let disk else { return }
        disk.appended(Int(buffer.writtenBytes &- writtenBefore))
        writtenBefore = buffer.writtenBytes
    }

    /// How many bytes may go to the disk, of `count` that pend behind those of a record that has been begun.
    final func spoolable(_ count: Int, _ disk: DiskSpool) -> Int {
        noteSpooled()
        if isSwitching {
            loop.soon { [self] in arrange() }
            return 0
        }
        guard let first = buffer.outletRecordLength(0), first <= disk.room else {
            loop.soon { [self] in
                if destination == .disk { buffer.outlet.fail(IOError("spool", on: "\"\(disk.path)\"", .noSpace)) }
            }
            return 0
        }
        return buffer.wholeRecords(within: disk.room) - (buffer.outlet.queue.count - count)
    }
}
