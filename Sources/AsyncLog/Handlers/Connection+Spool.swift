// Where the records of a connection go: to the connection, to the disk, or nowhere for now; and how the batch writer
// is redirected from one to the other.
//
//     nowhere ── a connection, and nothing on disk ──► connection
//        │ no connection, or something on disk             │ broke
//        ▼                                                 ▼
//      disk ◄───────────────────────────────────────── nowhere
//        │ a connection; the drain has sent all that was in the file; the batch writer is paused; the file is emptied
//        └──► connection
//
// `reroute` is called whenever one of these may have changed, and does what follows from how things stand.
import AsyncFD
import EventLoop

extension Connection {
    func openDisk() {
        guard let disk, disk.tail == nil, !disk.isOpening else { return }
        disk.open { [self] torn, isHeaderDamaged in
            if isHeaderDamaged {
                handler?.report(
                    "\"\(disk.path)\": its header is damaged; what had been sent before is sent once more", .warning)
            }
            if torn > 0 {
                handler?.report(
                    "\"\(disk.path)\": \(torn) bytes of a record that was not finished have been cut off", .warning)
            }
            if let trouble = disk.trouble { handler?.enter(.degraded(trouble)) }
            reroute()
            failIfNowhere()
        }
    }

    /// Records have nowhere to go, and no place is being looked for: tasks that wait for a flush get the error now.
    func failIfNowhere() {
        guard target == .nowhere, socket == nil, dial == nil, disk?.isOpening != true, let reason else { return }
        buffer.writer.fail(reason)
    }

    /// Redirects the batch writer to the place where records must go now.
    func reroute() {
        guard disk?.isBusy != true else { return }
        guard let disk, let tail = disk.tail else {
            if let socket, target != .connection { redirect(to: socket) }
            return
        }
        if let socket, disk.isEmpty {
            guard target != .connection else { return }
            isSwitching = true
            // What is being written right now will be in the file, and has to go first. It may be the last write for
            // long: no later one would call `reroute` again.
            guard buffer.writer.pause() else { return rerouteLater() }
            if !disk.isSpent { return redirect(to: socket) }
            disk.clear { [self] result in
                switch result {
                case .failure(let error): return didLose(error, socket)
                case .success(let isRemoved): if isRemoved { leaveDisk() }
                }
                reroute()
            }
        } else if socket != nil || reason != nil || !disk.isEmpty {
            if target != .disk { spool(to: tail) } else if isSwitching, socket == nil { cancelSwitch() }
            if let socket, drain?.isOver != false { send(disk, over: socket) }
        }
    }

    /// The spool's file has been removed, and nothing in it is left to be sent. Another one takes its place when there
    /// is no connection. The batch writer is paused.
    private func leaveDisk() {
        isSwitching = false
        target = .nowhere
        buffer.writer.redirect(to: nil)
        disk?.leave()
        if socket == nil { openDisk() }
    }

    /// A write to the spool has failed because its file has been removed. What is in it can still be read: it is kept
    /// until that has been sent.
    func diskIsRemoved() {
        guard target == .disk, !isSwitching, let disk, disk.isEmpty, !disk.isBusy, buffer.writer.pause() else { return }
        leaveDisk()
        reroute()
    }

    private func rerouteLater() {
        guard !isRerouteScheduled else { return }
        isRerouteScheduled = true
        loop.after(.milliseconds(2)) { [self] in
            isRerouteScheduled = false
            reroute()
        }
    }

    func redirect(to connection: AsyncFD) {
        isSwitching = false
        target = .connection
        buffer.writer.delivery = endpoint.isDatagrams ? .datagrams : .wholeRecords
        buffer.writer.redirect(to: connection)
        if case .udp = endpoint, reason != nil { probation = .probing } else { didRestore() }
        buffer.writer.resume()
    }

    func spool(to tail: AsyncFD) {
        target = .disk
        buffer.writer.delivery = .wholeRecords
        buffer.writer.redirect(to: tail)
        disk?.redirect(buffer.writer)
        buffer.writer.recover()
        buffer.writer.resume()
    }

    /// The connection to which the batch writer was about to be redirected has gone.
    func cancelSwitch() {
        isSwitching = false
        buffer.writer.resume()
    }

    func send(_ disk: DiskSpool, over connection: AsyncFD) {
        drain = SpoolDrain(disk, to: connection, isDatagrams: endpoint.isDatagrams) { [self] records, bytes in
            let what = records == 0 ? "no record is lost" : "\(records) record\(records == 1 ? " is" : "s are") lost"
            handler?.report("\"\(disk.path)\": \(bytes) bytes in it are damaged; \(what)", .error)
        } broke: { [self] error in
            loop.soon { [self] in didLose(error, connection) }
        } skipped: { [self] error in
            handler?.reportError(error)
        } done: { [self] result in
            drain = nil
            if case .failure(let error) = result {
                handler?.report("\(error)", .error)
                // A file that cannot be read now may be readable later, over another connection.
                if !disk.isEmpty { return didLose(error, connection) }
            }
            reroute()
        }
    }

    /// How many bytes may go to the disk, of `count` that pend: those of whole records, which have room there with what
    /// the file adds to them.
    func spoolable(_ count: Int, _ disk: DiskSpool) -> Int {
        if isSwitching {
            loop.soon { [self] in reroute() }
            return 0
        }
        var (size, room, index) = (0, disk.room, 0)
        while size < count, let length = buffer.recordLength(index), length + SpoolFormat.recordHeaderSize <= room {
            size += length
            room -= length + SpoolFormat.recordHeaderSize
            index += 1
        }
        guard size > 0 else {
            loop.soon { [self] in
                if target == .disk { buffer.writer.fail(IOError("spool", on: "\"\(disk.path)\"", .noSpace)) }
            }
            return 0
        }
        return size
    }
}
