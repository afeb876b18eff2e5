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
        disk.open { [self] torn, isHeaderDamaged in
            if isHeaderDamaged { say("\"\(disk.path)\": its header is damaged; what had been sent before is sent once more", .warning) }
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
            disk.clear { [self] result in
                switch result {
                case .failure(let error): return broke(error, connection)
                case .success(let isRemoved): if isRemoved { leaveDisk() }
                }
                arrange()
            }
        } else if connection != nil || reason != nil || !disk.isEmpty {
            if destination != .disk { spool(to: tail) } else if isSwitching, connection == nil { stay() }
            if let connection, drain?.isOver != false { send(disk, over: connection) }
        }
    }

    /// The spool's file has been removed, and nothing in it is left to be sent. Another one takes its place when there is no connection. The outlet is held.
    private final func leaveDisk() {
        isSwitching = false
        destination = .nowhere
        buffer.outlet.lead(to: nil)
        disk?.leave()
        if connection == nil { openDisk() }
    }

    /// A write to the spool has failed because its file has been removed. What is in it can still be read: it is kept until that has been sent.
    final func diskIsRemoved() {
        guard destination == .disk, !isSwitching, let disk, disk.isEmpty, !disk.isBusy, buffer.outlet.hold() else { return }
        leaveDisk()
        arrange()
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
        buffer.outlet.delivery = .wholeRecords
        buffer.outlet.lead(to: tail)
        disk?.lead(buffer.outlet)
        buffer.outlet.recover()
        buffer.outlet.resume()
    }

    /// The connection that records were about to be led to has gone.
    final func stay() {
        isSwitching = false
        buffer.outlet.resume()
    }

    final func send(_ disk: DiskSpool, over connection: AsyncFD) {
        drain = SpoolDrain(disk, to: connection, isDatagrams: endpoint.isDatagrams) { [self] records, bytes in
            let what = records == 0 ? "no record is lost" : "\(records) record\(records == 1 ? " is" : "s are") lost"
            say("\"\(disk.path)\": \(bytes) bytes in it are damaged; \(what)", .error)
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

    /// How many bytes may go to the disk, of `count` that pend: those of whole records, which have room there with what the file adds to them.
    final func spoolable(_ count: Int, _ disk: DiskSpool) -> Int {
        if isSwitching {
            loop.soon { [self] in arrange() }
            return 0
        }
        var (size, room, index) = (0, disk.room, 0)
        while size < count, let length = buffer.outletRecordLength(index), length + SpoolFormat.recordHeaderSize <= room {
            size += length
            room -= length + SpoolFormat.recordHeaderSize
            index += 1
        }
        guard size > 0 else {
            loop.soon { [self] in
                if destination == .disk { buffer.outlet.fail(IOError("spool", on: "\"\(disk.path)\"", .noSpace)) }
            }
            return 0
        }
        return size
    }
}
