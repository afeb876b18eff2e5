// How an outlet's bytes come into the kernel: what OutletMachine decides is carried out here, step by step, until there is nothing to do but wait.
import CAsyncFD
import EventLoop
import SystemPackage

/// Loop thread only.
extension Outlet {
    func carryOut(_ action: OutletMachine.Action) {
        var action = action
        while true {
            switch action {
            case .none: return
            case .awaitTurnEnd:
                loop.atEndOfTurn(self)
                return
            case .enter:
                guard let descriptor else { return machine.forbidden() }
                if !descriptor.enterTurn() { return awaitTurn(descriptor) }
                action = granted()
            case .write: action = write()
            case .awaitReadiness: return awaitReadiness()
            case .leave:
                leaveTurn()
                action = machine.hasLeft(isEmpty: queue.isEmpty, isMuch: queue.count >= batchSize)
            case .retry(let pause):
                loop.after(pause) { [self] in carryOut(machine.retryIsDue()) }
                return
            }
        }
    }

    /// Stands in line with the other writers.
    private func awaitTurn(_ descriptor: AsyncFD) {
        wait.begin(descriptor.writers.nextTicket)
        descriptor.writers.wait(
            descriptor,
            .outlet { [self] in
                wait.end()
                carryOut(granted())
            })
    }

    private func granted() -> OutletMachine.Action {
        turnEnd = appended
        return machine.granted()
    }

    func leaveTurn() { descriptor?.leaveTurn() }

    private func write() -> OutletMachine.Action {
        let allowed = client?.outletMayWrite(queue.count - begun) ?? .max
        guard allowed > 0, let descriptor else {
            leaveTurn()
            machine.forbidden()
            return .none
        }
        if delivery == .datagrams { return send(descriptor, allowed) }
        if descriptor.isOffloaded(.write) { return offload(descriptor, allowed) }
        writeCalls &+= 1
        let vectors = pending(descriptor, atMost: allowed)
        return completed(inSection { descriptor.moveNow(.write, vectors) })
    }

    /// Makes a call that writes the oldest bytes, and notes at once how many the kernel has taken: a crash must not write them again.
    private func inSection(_ write: () -> IOOutcome) -> IOOutcome {
        let done = cfd_pending_enter(queue.pending)
        defer { cfd_pending_leave(queue.pending) }
        // Some of them have been written already, in the course of a crash that was survived.
        guard done == begun else { return .bytes(0) }
        let outcome = write()
        if case .bytes(let count) = outcome { cfd_pending_did_write(queue.pending, count) }
        return outcome
    }

    /// The oldest bytes of this writer's turn; when nobody else waits for it, all bytes.
    private func pending(_ descriptor: AsyncFD, atMost limit: Int) -> Vectors {
        if !descriptor.writers.hasWaiting { turnEnd = appended }
        return Vectors(rebasing: vectors[..<queue.fill(vectors, limit: min(limit, Int(turnEnd &- left) - begun), behind: begun)])
    }

    /// As many records as fit into `allowed` bytes, one at least, each in a datagram of its own.
    private func send(_ descriptor: AsyncFD, _ allowed: Int) -> OutletMachine.Action {
        turnEnd = appended
        writeCalls &+= 1
        var room = allowed
        let count = queue.fill(vectors) { index in
            guard let length = client?.outletRecordLength(index), index == 0 || length <= room else { return nil }
            room -= length
            return length
        }
        return completed(inSection { descriptor.attempt(.write) { Syscalls.sendDatagrams($0, Vectors(rebasing: vectors[..<count])) } })
    }

    private func completed(_ outcome: IOOutcome) -> OutletMachine.Action {
        switch outcome {
        case .bytes:
            takeOffWritten()
            let (action, hasRecovered) = machine.wrote(isTurnOver: left &+ UInt64(begun) >= turnEnd)
            if hasRecovered { client?.outletRecovered() }
            return action
        case .wouldBlock: return machine.wouldBlock()
        case .failed(let errno):
            if errno == .staleNFSFileHandle, let lost = client?.outletLostFile() { return lostFile(lost) }
            if delivery == .datagrams, errno == .messageTooLong { return skip(IOError("send", on: descriptor?.label ?? "nowhere", errno)) }
            return failed(writeError(errno))
        }
    }

    /// Of a file with a name ESTALE is our own word: the kernel has said nothing of the kind.
    private func writeError(_ errno: Errno) -> IOError {
        let label = descriptor?.label ?? "nowhere"
        if errno == .staleNFSFileHandle, mustHaveName || spool != nil { return IOError("write", on: label, .removed) }
        return IOError("write", on: label, errno)
    }

    /// Takes off what is in the kernel, as far as it need not be kept, and enters it into the books.
    func takeOffWritten() {
        let moved = cfd_pending_done(queue.pending) - begun
        var count = moved
        if delivery == .wholeRecords {
            count = client?.outletWholeRecords(begun + moved) ?? moved
            begun += moved - count
        }
        queue.consume(count)
        left &+= UInt64(count)
        client?.outletWrote(count)
        flushes.resume(upTo: left, nil)
    }

    /// The oldest record cannot be sent, and the others can.
    private func skip(_ error: IOError) -> OutletMachine.Action {
        let size = client?.outletSkips(error) ?? queue.count
        queue.consume(size)
        left &+= UInt64(size)
        flushes.resume(upTo: left, nil)
        return machine.wrote(isTurnOver: left >= turnEnd).0
    }

    /// The file has gone, and with it the beginning of a record, of which `rest` bytes are left. The client sees to another file. If there was such a record,
    /// every task that waits for a flush waits for it, and is told that it is lost.
    private func lostFile(_ rest: Int) -> OutletMachine.Action {
        if rest > 0 { flushes.resume(upTo: left, writeError(.staleNFSFileHandle)) }
        queue.consume(rest)
        left &+= UInt64(rest)
        leaveTurn()
        machine.forbidden()
        return .none
    }

    private func failed(_ error: IOError) -> OutletMachine.Action {
        let (action, isNews) = machine.failed(error)
        if error.code == .badDescriptor { cfd_pending_redirect(queue.pending, -2) }
        client?.outletWriteFailed(error)
        flushes.resume(upTo: left, error)
        if isNews { client?.outletFailed(error) }
        leaveTurn()
        return action
    }

    private func awaitReadiness() {
        do throws(IOError) {
            guard let registration = try descriptor?.registration(for: .write) else { return carryOut(machine.isWritable()) }
            // Registering may have needed another number.
            if number != cfd_pending_descriptor(queue.pending) { cfd_pending_renumber(queue.pending, number) }
            let number = wait.number
            let waiter = registration.whenReady(.write) { [self] wake in
                guard wait.number == number else { return }
                wait.end()
                descriptor?.endWait(.write)
                // Nobody but the writer that has the turn waits for room. Should somebody do so all the same, asking at once again would not end.
                carryOut(wake == .busy ? failed(IOError("write", on: descriptor?.label ?? "nowhere", .busy)) : machine.isWritable())
            }
            wait.begin(registration, waiter)
        } catch {
            carryOut(failed(error))
        }
    }

    /// Waits for nothing any more: neither for the turn nor for room.
    func giveUpWait() {
        guard let descriptor else { return }
        wait.giveUp(descriptor.writers)
        descriptor.endWait(.write)
    }

    /// A thread of the pool has written, or failed to.
    func answered(_ outcome: IOOutcome) {
        underWay.forget()
        carryOut(completed(outcome))
    }

    /// The bytes stay where they are while a thread of the pool writes them; more may be appended behind them meanwhile.
    private func offload(_ descriptor: AsyncFD, _ allowed: Int) -> OutletMachine.Action {
        let limit = descriptor.offloadLimit(.write)
        if limit == 0 { return machine.wouldBlock() }
        let memory = PinnedVectors(pending(descriptor, atMost: min(limit, allowed)), of: queue.pending, behind: begun)
        let mustHaveName = mustHaveName
        writeCalls &+= 1
        let spooled = spool.map { ($0, recordLengths(within: memory.count)) }
        let (write, answer) = underWay.begin(memory.count, nextLook: appended &+ UInt64(batchSize))
        descriptor.offloadIO({ number in
            answer.set(spooled.map { memory.append(to: $0, $1) } ?? memory.write(number, mustHaveName: mustHaveName))
        }) { [self] in
            memory.release()
            if underWay.ended(write) { answered(answer.outcome!) }
        }
        return machine.offloaded()
    }

    /// Of the oldest records, those that fit in.
    private func recordLengths(within limit: Int) -> [Int] {
        var lengths: [Int] = []
        var left = limit
        while let length = client?.outletRecordLength(lengths.count), length <= left {
            lengths.append(length)
            left -= length
        }
        return lengths
    }
}
