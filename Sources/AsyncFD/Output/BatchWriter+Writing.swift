// How a batch writer's bytes reach the kernel: this carries out the actions of BatchWriterState, step by step, until
// the next one has to be waited for.
import CAsyncFD
import EventLoop
import SystemPackage

/// Loop thread only.
extension BatchWriter {
    func carryOut(_ action: BatchWriterState.Action) {
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

    /// Waits for the descriptor's turn to write, behind the other writers.
    private func awaitTurn(_ descriptor: AsyncFD) {
        wait.begin(descriptor.writers.nextTicket)
        descriptor.writers.wait(
            descriptor,
            .batchWriter { [self] in
                wait.end()
                carryOut(granted())
            })
    }

    private func granted() -> BatchWriterState.Action {
        turnEnd = appended
        return machine.granted()
    }

    func leaveTurn() { descriptor?.leaveTurn() }

    private func write() -> BatchWriterState.Action {
        let allowed = min(destination?.mayWrite(queue.count - begun) ?? .max, writeLimit)
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

    /// Makes a call that writes the oldest bytes, and notes at once how many the kernel has taken: a crash must not
    /// write them again.
    private func inSection(_ write: () -> IOOutcome) -> IOOutcome {
        let done = cfd_pending_enter(queue.pending)
        defer { cfd_pending_leave(queue.pending) }
        // Some of them have been written already, in the course of a crash that was survived.
        guard done == begun else { return .bytes(0) }
        let outcome = write()
        if case .bytes(let count) = outcome { cfd_pending_did_write(queue.pending, count) }
        return outcome
    }

    /// The oldest bytes of this writer's turn; all bytes, if no other writer waits for its turn.
    private func pending(_ descriptor: AsyncFD, atMost limit: Int) -> Vectors {
        if !descriptor.writers.hasWaiting { turnEnd = appended }
        return Vectors(
            rebasing: vectors[..<queue.fill(vectors, limit: min(limit, Int(turnEnd &- left) - begun), behind: begun)])
    }

    /// As many records as fit into `allowed` bytes, one at least, each in a datagram of its own.
    private func send(_ descriptor: AsyncFD, _ allowed: Int) -> BatchWriterState.Action {
        turnEnd = appended
        writeCalls &+= 1
        var room = allowed
        let count = queue.fill(vectors) { index in
            guard let length = records.length(index), index == 0 || length <= room else { return nil }
            room -= length
            return length
        }
        return completed(
            inSection {
                descriptor.attempt(.write) { Syscalls.sendDatagrams($0, Vectors(rebasing: vectors[..<count])) }
            })
    }

    private func completed(_ outcome: IOOutcome) -> BatchWriterState.Action {
        switch outcome {
        case .bytes:
            takeOffWritten()
            let (action, hasRecovered) = machine.wrote(isTurnOver: left &+ UInt64(begun) >= turnEnd)
            if hasRecovered { tellRecovery() }
            return action
        case .wouldBlock: return machine.wouldBlock()
        case .failed(let errno):
            if errno == .staleNFSFileHandle, destination?.didLoseFile() == true { return lostFile() }
            if delivery == .datagrams, errno == .messageTooLong {
                return skip(IOError("send", on: descriptor?.label ?? "nowhere", errno))
            }
            return failed(writeError(errno))
        }
    }

    /// For a file with a name ESTALE comes from `PinnedVectors.write`, not from the kernel: the file has been removed.
    private func writeError(_ errno: Errno) -> IOError {
        let label = descriptor?.label ?? "nowhere"
        if errno == .staleNFSFileHandle, mustHaveName || spool != nil { return IOError("write", on: label, .removed) }
        return IOError("write", on: label, errno)
    }

    /// Removes the bytes that are in the kernel, unless they must be kept to be sent again, and enters them into the
    /// books.
    func takeOffWritten() {
        let moved = cfd_pending_done(queue.pending) - begun
        var count = moved
        if delivery == .wholeRecords {
            count = records.whole(within: begun + moved)
            begun += moved - count
        }
        queue.consume(count)
        left &+= UInt64(count)
        let written = records.takeOff(count)
        destination?.didWrite(count)
        buffer?.didWrite(count, records: written)
        flushes.resume(upTo: left, nil)
    }

    /// The oldest record is too large to be sent, and is dropped.
    private func skip(_ error: IOError) -> BatchWriterState.Action {
        let record = records.removeFirst()
        let size = Int(record.length)
        lose(record, .failure)
        destination?.didSkip(error)
        queue.consume(size)
        left &+= UInt64(size)
        flushes.resume(upTo: left, nil)
        return machine.wrote(isTurnOver: left >= turnEnd).0
    }

    /// The file has gone, and with it the beginning of a record, whose rest is dropped. The destination opens another
    /// file. If there was such a record, every task that waits for a flush waits for it, and gets the error.
    private func lostFile() -> BatchWriterState.Action {
        let rest = records.restOfBegun
        if rest > 0 {
            flushes.resume(upTo: left, writeError(.staleNFSFileHandle))
            lose(records.removeFirst(), .failure)
        }
        queue.consume(rest)
        left &+= UInt64(rest)
        leaveTurn()
        machine.forbidden()
        return .none
    }

    private func failed(_ error: IOError) -> BatchWriterState.Action {
        let (action, isNews) = machine.failed(error)
        if error.code == .badDescriptor { cfd_pending_redirect(queue.pending, -2) }
        destination?.didFailToWrite(error)
        flushes.resume(upTo: left, error)
        if isNews { tellFailure(error) }
        leaveTurn()
        return action
    }

    private func awaitReadiness() {
        do throws(IOError) {
            guard let registration = try descriptor?.registration(for: .write) else {
                return carryOut(machine.isWritable())
            }
            // Registering may have needed another number.
            if number != cfd_pending_descriptor(queue.pending) { cfd_pending_renumber(queue.pending, number) }
            let number = wait.number
            let waiter = registration.whenReady(.write) { [self] wake in
                guard wait.number == number else { return }
                wait.end()
                descriptor?.endWait(.write)
                // Only the writer that has the turn waits for room. Should another waiter exist all the same, retrying
                // at once would loop for ever.
                carryOut(
                    wake == .busy
                        ? failed(IOError("write", on: descriptor?.label ?? "nowhere", .busy)) : machine.isWritable())
            }
            wait.begin(registration, waiter)
        } catch {
            carryOut(failed(error))
        }
    }

    /// Cancels the wait for the turn, or for room.
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

    /// The bytes stay where they are while a thread of the pool writes them; more may be appended behind them
    /// meanwhile.
    private func offload(_ descriptor: AsyncFD, _ allowed: Int) -> BatchWriterState.Action {
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
        while let length = records.length(lengths.count), length <= left {
            lengths.append(length)
            left -= length
        }
        return lengths
    }
}
