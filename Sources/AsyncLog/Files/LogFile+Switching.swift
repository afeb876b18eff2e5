// How a log file leaves one file of the file system for another: it is opened, reopened or rotated on a thread of the
// pool, while records wait in the buffer.
import AsyncFD
import EventLoop

/// Loop thread only.
extension LogFile {
    /// Has the file left as soon as what is in the buffer now has been written.
    func requestSwitch(_ switching: RotationMachine.Switch) {
        machine.request(switching, pending: buffer.pendingBytes)
        trySwitch()
    }

    /// The same, and suspends until it has been done.
    func demand(_ switching: RotationMachine.Switch) async throws(IOError) {
        if isClosed { throw IOError.closedFile(place.path) }
        if let failure = writer.failure, buffer.restOfBegunRecord > 0 { throw failure }
        let error = await withUnsafeContinuation { continuation in
            waiting.append(continuation)
            requestSwitch(switching)
        }
        if let error { throw error }
    }

    /// Does what is due, if nothing is being written; else the question comes up before the next write.
    func trySwitch() {
        guard !isClosed, !machine.isSwitching else { return }
        guard writer.pause() else { return writer.pushOut() }
        if case .begin(let switching) = nextAnswer() { begin(switching) } else { writer.resume() }
    }

    func trySwitchSoon() { loop.soon { [weak self] in self?.trySwitch() } }

    func begin(_ switching: RotationMachine.Switch) {
        isGivenUp = false
        served += waiting
        waiting = []
        // Files that are being made durable are not to pile up.
        durability.whenThereIsRoom { [self] in attempt(switching) }
    }

    private func attempt(_ switching: RotationMachine.Switch) {
        let (place, inotify, last) = (place, watcher?.descriptor, lastName)
        let (path, moment) = (openPath, machine.moment(second: wallSecond))
        work.run(urgent: true, writer.descriptor) { (number) throws(IOError) -> LogPlace.Outcome in
            switch switching {
            case .open: .opened(try place.open(inotify))
            case .reopen(let awaitsNewFile): try place.reopen(number, awaitsNewFile: awaitsNewFile, inotify)
            case .rotate(let limit):
                try place.rotate(number, at: path, moment: moment, after: last, ifLargerThan: limit, inotify)
            }
        } then: { [self] result in
            finish(switching, result)
        }
    }

    private func finish(_ switching: RotationMachine.Switch, _ result: Result<LogPlace.Outcome, IOError>) {
        if isClosed {
            if case .success(.opened(let file)) = result {
                AsyncFD(forgettable: file.number, label: buffer.label).closeHere()
            }
            return
        }
        switch result {
        case .success(.opened(let file)): opened(file)
        case .success(.unchanged(let status)):
            machine.unchanged(switching, size: status.size)
            if !machine.isRotationPostponed { note(.switching, nil) }
        case .success(.missing):
            guard let pause = retryBudget.next() else { return attempt(.reopen(awaitsNewFile: false)) }
            loop.after(pause) { [self] in attempt(switching) }
            return
        case .success(.lost(let error)):
            leaveLostFile()
            return failed(switching, error, isLost: true)
        case .failure(let error): return failed(switching, error)
        }
        retryBudget.renew()
        writer.resume()
        resume(&served, nil)
        if newsDuringSwitch { look() }
        if machine.isSwitchWanted { trySwitchSoon() } else { resume(&waiting, nil) }
        if let second = machine.deadline, second <= wallSecond { trySwitchSoon() }
        setTimer()
        endIfDone()
        if !isUnsettled { settling.resume() }
    }

    private func opened(_ file: LogPlace.Opened) {
        let isRotated = isRotated && file.status.isRegular
        let old = writer.descriptor
        writer.redirect(to: AsyncFD(forgettable: file.number, label: buffer.label))
        let modified = Int64(file.status.modified.quotientFloored(by: 1_000_000_000).0)
        writer.mustHaveName = file.status.isRegular && file.status.linkCount > 0
        machine.opened(size: file.status.size, modified: modified, canRotate: isRotated)
        openPath = file.path
        lastName = file.rotated ?? lastName
        observe(file.watch)
        durability.opened(isNew: file.status.size == 0 || file.rotated != nil)
        if let old { durability.leave(old) }
        note(.switching, nil)
        note(.link, file.linkError)
        if buffer.pendingBytes == 0 { writer.recover() }
        buffer.reportDrops()  // a record may have been lost with the file before
        if isRotated { housekeeper.tidy(openPath) }
    }

    private func failed(_ switching: RotationMachine.Switch, _ error: IOError, isLost: Bool = false) {
        let pause = machine.failed(switching, isLost: isLost, now: .now)
        retryBudget.renew()
        if machine.isOpen {
            note(.switching, error)
            writer.resume()
        } else {
            writer.fail(error)
        }
        resume(&served, error)
        loop.after(pause) { [weak self] in self?.trySwitch() }
        if machine.isOpen, machine.isSwitchWanted { trySwitchSoon() }
        endIfDone()
        if !isUnsettled { settling.resume() }
    }

    func resume(_ continuations: inout [UnsafeContinuation<IOError?, Never>], _ error: IOError?) {
        let resumed = continuations
        continuations = []
        for continuation in resumed { continuation.resume(returning: error) }
    }

    /// At the moment at which the file ends by the clock, be there something to write or not.
    func setTimer() {
        // What is overdue comes with the next write, or when a failed rotation is tried again.
        guard let second = machine.deadline, deadlineTimer?.second != second, second > wallSecond, !isClosed else {
            return
        }
        if let (_, id) = deadlineTimer { id.cancel() }
        let wait = Duration.nanoseconds(max(0, second &* 1_000_000_000 &- WallClock.now))
        deadlineTimer = (second, loop.after(wait) { [weak self] in self?.deadlineHasCome() })
    }

    private func deadlineHasCome() {
        deadlineTimer = nil
        if machine.timerFired(second: wallSecond, pending: buffer.pendingBytes) {
            trySwitch()
        } else if !machine.isSwitching {
            setTimer()
        }
    }
}
