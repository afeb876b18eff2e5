// A file that is written to by its name, and goes on when the name leads to another file: what happens when, and on which thread.
//
// What is in the way of a record: nothing that this file adds. Before each write, of which there is at most one a turn, `RotationMachine` is asked how
// much may go into the file that is open. If a file is to be left, the outlet is held: records wait in its buffer while a thread of the pool does
// what `LogPlace` says, and then it leads to another descriptor.
import AsyncFD
import EventLoop

/// Loop thread only. The buffer keeps it: what is in the buffer goes into the right files, even if its handler has gone.
final class LogFile: OutputGate {
    let place: LogPlace
    let buffer: OutputBuffer
    let durability: FileDurability
    let housekeeper: Housekeeper
    /// The blocking work, one job at a time.
    let work: SerialWork
    private let isRotated: Bool
    private let reopensOnHangUp: Bool?
    /// Whose state it is.
    weak var handler: LogFileHandler?

    @exclusivity(unchecked) var machine: RotationMachine
    /// Where the file lies that is open.
    private var openPath: FilePath
    private var lastName: RotatedName?
    private var patience = Patience()
    private var deadlineTimer: (second: Int64, id: EventLoop.Timer)?
    var isClosed = false
    /// Its handler has gone, and it goes when nothing pends.
    private var isOrphan = false

    // What others do to the file: LogFile+Watching.swift.
    var watcher: FileWatcher?
    var watch: FileWatcher.Watch?
    /// News of the file arrived while it was being left.
    var newsDuringSwitch = false
    var isLooking = false
    var lastLook = Instant.now
    private var hangUps: SignalObservation?

    /// What is not as it should be, though records go out.
    private var troubles: [Trouble: IOError] = [:]
    /// Who waits for the next switch, and for the one that is being made.
    private var waiting: [UnsafeContinuation<IOError?, Never>] = []
    private var served: [UnsafeContinuation<IOError?, Never>] = []
    /// Who waits until nothing is to be switched.
    let settling: PatientTasks
    /// The end of the loop does not wait any longer for what is being done to the file.
    var isGivenUp = false

    enum Trouble: Int, Comparable {
        case switching, retention, compression, link
        static func < (a: Trouble, b: Trouble) -> Bool { a.rawValue < b.rawValue }
    }

    /// How long somebody who has moved the file away is given to make a new one: a quarter of a second.
    private struct Patience {
        private static let limit = 8
        private var attempts = 0

        mutating func next() -> Duration? {
            guard attempts < Self.limit else { return nil }
            attempts += 1
            return .milliseconds(1 << (attempts - 1))
        }

        mutating func renew() { attempts = 0 }
    }

    init(_ place: LogPlace, _ rotation: Rotation?, reopensOnHangUp: Bool?, _ buffer: OutputBuffer) {
        self.place = place
        self.reopensOnHangUp = reopensOnHangUp
        self.buffer = buffer
        isRotated = rotation != nil
        openPath = place.path
        machine = RotationMachine(sizeLimit: rotation?.sizeLimit, schedule: rotation?.schedule, rotatesAtStart: rotation?.atStart ?? false)
        work = SerialWork(buffer.outlet.loop)
        housekeeper = Housekeeper(place, work)
        settling = PatientTasks(work.loop)
        durability = FileDurability(place.path)
        housekeeper.report = { [weak self] in self?.note($0, $1) }
    }

    var outlet: Outlet { buffer.outlet }
    var loop: EventLoop { buffer.outlet.loop }
    private var wallSecond: Int64 { Int64(WallClock.now.quotientFloored(by: 1_000_000_000).0) }

    // MARK: Beginning and end

    /// Opens the file. Once.
    func start() {
        buffer.gate = self
        buffer.attach()
        watcher = FileWatcher.of(loop)
        trySwitch()
        switch reopensOnHangUp {
        case true: reopenOnHangUp()
        case false: break
        case nil:
            loop.offloadIO {
                !FileSystem.hasTerminal
            } then: { [weak self] isWanted in
                if isWanted { self?.reopenOnHangUp() }
            }
        }
    }

    private func reopenOnHangUp() {
        guard !isClosed else { return }
        hangUps = loop.observe(.hangUp) { [weak self] in self?.requestSwitch(.reopen(isPatient: false)) }
    }

    /// The same, and suspends until the file is open. If it cannot be, it is given up.
    func startAndWait() async throws(IOError) {
        let error = await withUnsafeContinuation { continuation in
            waiting.append(continuation)
            start()
        }
        guard let error else { return }
        end()
        throw error
    }

    /// Nobody will log to it any more. What pends goes out first.
    func handlerHasGone() {
        isOrphan = true
        endIfDone()
    }

    private func endIfDone() {
        if isOrphan, !machine.isSwitching, buffer.pendingBytes == 0 { end() }
    }

    /// Closes the file; nothing is opened any more. What pends has been written, or has been given up.
    func end() {
        guard !isClosed else { return }
        isClosed = true
        hangUps = nil
        observe(nil)
        if let (_, id) = deadlineTimer { id.cancel() }
        if outlet.hold() {
            let old = outlet.descriptor
            outlet.lead(to: nil)
            old?.closeHere()
        }
        outlet.fail(.closedFile(place.path))
        updateState()
        outlet.retire()
        loop.unregister(self)
        resume(&served, .closedFile(place.path))
        resume(&waiting, .closedFile(place.path))
        settling.resume()
        buffer.gate = nil
    }

    func released() { if isOrphan { end() } }

    // MARK: Writing

    func mayWrite(_ count: Int) -> Int {
        switch nextAnswer() {
        case .write(let count):
            lookNowAndThen()
            return count
        case .begin(let switching): begin(switching)
        case .wait: break
        }
        return 0
    }

    func wrote(_ count: Int) {
        machine.wrote(count, second: wallSecond)
        setTimer()
        guard buffer.pendingBytes == 0 else { return }
        // The last byte that belongs into the old file is there, and nobody asks for the next.
        if machine.isSwitchWanted { trySwitchSoon() }
        if isOrphan { loop.soon { [weak self] in self?.endIfDone() } }
    }

    func discarded(_ size: Int, behind kept: Int) { machine.discarded(size, behind: kept) }

    private func nextAnswer() -> RotationMachine.Answer {
        let pending = RotationMachine.Pending(count: buffer.pendingBytes, begun: buffer.restOfBegunRecord, first: buffer.wholeRecords(within: 0))
        return machine.next(pending, second: wallSecond, now: .now) { buffer.wholeRecords(within: $0) }
    }

    // MARK: Switching

    /// Has the file left as soon as what is in the buffer now has been written.
    func requestSwitch(_ switching: RotationMachine.Switch) {
        machine.request(switching, pending: buffer.pendingBytes)
        trySwitch()
    }

    /// The same, and suspends until it has been done.
    func demand(_ switching: RotationMachine.Switch) async throws(IOError) {
        if isClosed { throw IOError.closedFile(place.path) }
        if let failure = outlet.failure, buffer.restOfBegunRecord > 0 { throw failure }
        let error = await withUnsafeContinuation { continuation in
            waiting.append(continuation)
            requestSwitch(switching)
        }
        if let error { throw error }
    }

    /// Does what is due, if nothing is being written; else the question comes up before the next write.
    func trySwitch() {
        guard !isClosed, !machine.isSwitching else { return }
        guard outlet.hold() else { return outlet.pushOut() }
        if case .begin(let switching) = nextAnswer() { begin(switching) } else { outlet.resume() }
    }

    func trySwitchSoon() { loop.soon { [weak self] in self?.trySwitch() } }

    private func begin(_ switching: RotationMachine.Switch) {
        isGivenUp = false
        served += waiting
        waiting = []
        // Files that are being made durable are not to pile up.
        durability.whenThereIsRoom { [self] in attempt(switching) }
    }

    private func attempt(_ switching: RotationMachine.Switch) {
        let (place, inotify, last) = (place, watcher?.descriptor, lastName)
        let (path, moment) = (openPath, machine.moment(second: wallSecond))
        work.run(urgent: true, outlet.descriptor) { (number) throws(IOError) -> LogPlace.Outcome in
            switch switching {
            case .open: .opened(try place.open(inotify))
            case .reopen(let isPatient): try place.reopen(number, isPatient: isPatient, inotify)
            case .rotate(let limit): try place.rotate(number, at: path, moment: moment, after: last, ifLargerThan: limit, inotify)
            }
        } then: { [self] result in
            finish(switching, result)
        }
    }

    private func finish(_ switching: RotationMachine.Switch, _ result: Result<LogPlace.Outcome, IOError>) {
        if isClosed {
            if case .success(.opened(let file)) = result { AsyncFD(forgettable: file.number, label: buffer.label).closeHere() }
            return
        }
        switch result {
        case .success(.opened(let file)): opened(file)
        case .success(.unchanged(let status)):
            machine.unchanged(switching, size: status.size)
            if !machine.isRotationPostponed { note(.switching, nil) }
        case .success(.missing):
            guard let pause = patience.next() else { return attempt(.reopen(isPatient: false)) }
            loop.after(pause) { [self] in attempt(switching) }
            return
        case .success(.lost(let error)):
            leaveLostFile()
            return failed(switching, error, isLost: true)
        case .failure(let error): return failed(switching, error)
        }
        patience.renew()
        outlet.resume()
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
        let old = outlet.descriptor
        outlet.lead(to: AsyncFD(forgettable: file.number, label: buffer.label))
        let modified = Int64(file.status.modified.quotientFloored(by: 1_000_000_000).0)
        outlet.mustHaveName = file.status.isRegular && file.status.linkCount > 0
        machine.opened(size: file.status.size, modified: modified, canRotate: isRotated)
        openPath = file.path
        lastName = file.rotated ?? lastName
        observe(file.watch)
        durability.opened(isNew: file.status.size == 0 || file.rotated != nil)
        if let old { durability.leave(old) }
        note(.switching, nil)
        note(.link, file.linkError)
        if buffer.pendingBytes == 0 { outlet.recover() }
        buffer.reportDrops()  // a record may have been lost with the file before
        if isRotated { housekeeper.tidy(openPath) }
    }

    private func failed(_ switching: RotationMachine.Switch, _ error: IOError, isLost: Bool = false) {
        let pause = machine.failed(switching, isLost: isLost, now: .now)
        patience.renew()
        if machine.isOpen {
            note(.switching, error)
            outlet.resume()
        } else {
            outlet.fail(error)
        }
        resume(&served, error)
        loop.after(pause) { [weak self] in self?.trySwitch() }
        if machine.isOpen, machine.isSwitchWanted { trySwitchSoon() }
        endIfDone()
        if !isUnsettled { settling.resume() }
    }

    private func resume(_ continuations: inout [UnsafeContinuation<IOError?, Never>], _ error: IOError?) {
        let resumed = continuations
        continuations = []
        for continuation in resumed { continuation.resume(returning: error) }
    }

    /// At the moment at which the file ends by the clock, be there something to write or not.
    private func setTimer() {
        // What is overdue comes with the next write, or when a failed rotation is tried again.
        guard let second = machine.deadline, deadlineTimer?.second != second, second > wallSecond, !isClosed else { return }
        if let (_, id) = deadlineTimer { id.cancel() }
        let wait = Duration.nanoseconds(max(0, second &* 1_000_000_000 &- WallClock.now))
        deadlineTimer = (second, loop.after(wait) { [weak self] in self?.deadlineHasCome() })
    }

    private func deadlineHasCome() {
        deadlineTimer = nil
        if machine.timerFired(second: wallSecond, pending: buffer.pendingBytes) { trySwitch() } else if !machine.isSwitching { setTimer() }
    }

    // MARK: State

    /// Nil: the trouble is over.
    private func note(_ trouble: Trouble, _ error: IOError?) {
        troubles[trouble] = error
        updateState()
    }

    func updateState() {
        if isClosed {
            handler?.enter(.closed)
        } else if let failure = outlet.failure {
            handler?.enter(.failed(failure))
        } else if let error = troubles.min(by: { $0.key < $1.key })?.value {
            handler?.enter(.degraded(error))
        } else {
            handler?.enter(.ready)
        }
    }

    func failed(_ error: IOError) {
        // Who waits for a switch waits for a record that is half in the file; that one goes out when the file takes bytes again.
        resume(&waiting, error)
    }
}
