// A file that is written to by its name, and goes on when the name leads to another file: what happens when, and on
// which thread.
//
// What is in the way of a record: nothing that this file adds. Before each write, of which there is at most one a turn,
// `RotationMachine` is asked how much may go into the file that is open. To leave a file, the batch writer is paused:
// records wait in its buffer while a thread of the pool does what `LogPlace` describes; then the batch writer is
// redirected to another descriptor.
import AsyncFD
import EventLoop

/// Loop thread only. The buffer keeps it: what is in the buffer goes into the right files, even if its handler has
/// gone.
final class LogFile: Destination {
    let place: LogPlace
    let buffer: RecordBuffer
    let durability: FileDurability
    let housekeeper: Housekeeper
    /// The blocking work, one job at a time.
    let work: SerialWork
    let isRotated: Bool
    private let reopensOnHangUp: Bool?
    /// The handler whose state this file determines.
    weak var handler: LogFileHandler?

    @exclusivity(unchecked) var machine: RotationMachine
    /// Where the file lies that is open.
    var openPath: FilePath
    var lastName: RotatedName?
    var retryBudget = RetryBudget()
    var deadlineTimer: (second: Int64, id: EventLoop.Timer)?
    var isClosed = false
    /// Its handler has gone, and it goes when nothing pends.
    var isOrphan = false

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
    /// The tasks that wait for the next switch, and for the one that is being made.
    var waiting: [UnsafeContinuation<IOError?, Never>] = []
    var served: [UnsafeContinuation<IOError?, Never>] = []
    /// The tasks that wait until nothing is to be switched.
    let settling: DeadlineWaiters
    /// The end of the loop does not wait any longer for what is being done to the file.
    var isGivenUp = false

    enum Trouble: Int, Comparable {
        case switching, retention, compression, link
        static func < (a: Trouble, b: Trouble) -> Bool { a.rawValue < b.rawValue }
    }

    init(_ place: LogPlace, _ rotation: Rotation?, reopensOnHangUp: Bool?, _ buffer: RecordBuffer) {
        self.place = place
        self.reopensOnHangUp = reopensOnHangUp
        self.buffer = buffer
        isRotated = rotation != nil
        openPath = place.path
        machine = RotationMachine(
            sizeLimit: rotation?.sizeLimit, schedule: rotation?.schedule, rotatesAtStart: rotation?.atStart ?? false)
        work = SerialWork(buffer.writer.loop)
        housekeeper = Housekeeper(place, work)
        settling = DeadlineWaiters(work.loop)
        durability = FileDurability(place.path)
        housekeeper.report = { [weak self] in self?.note($0, $1) }
    }

    var writer: BatchWriter { buffer.writer }
    var loop: EventLoop { buffer.writer.loop }
    var wallSecond: Int64 { Int64(WallClock.now.quotientFloored(by: 1_000_000_000).0) }

    // MARK: Beginning and end

    /// Opens the file. Once.
    func start() {
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
        hangUps = loop.observe(.hangUp) { [weak self] in self?.requestSwitch(.reopen(awaitsNewFile: false)) }
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

    /// The handler has gone, and no record will follow. Pending bytes go out first.
    func handlerHasGone() {
        isOrphan = true
        endIfDone()
    }

    func endIfDone() {
        if isOrphan, !machine.isSwitching, buffer.pendingBytes == 0 { end() }
    }

    /// Closes the file; nothing is opened any more. What pends has been written, or has been given up.
    func end() {
        guard !isClosed else { return }
        isClosed = true
        hangUps = nil
        observe(nil)
        if let (_, id) = deadlineTimer { id.cancel() }
        if writer.pause() {
            let old = writer.descriptor
            writer.redirect(to: nil)
            old?.closeHere()
        }
        writer.fail(.closedFile(place.path))
        updateState()
        writer.retire()
        loop.unregister(self)
        resume(&served, .closedFile(place.path))
        resume(&waiting, .closedFile(place.path))
        settling.resume()
    }

    func didRelease() { if isOrphan { end() } }

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

    func didWrite(_ count: Int) {
        machine.wrote(count, second: wallSecond)
        setTimer()
        guard buffer.pendingBytes == 0 else { return }
        // The last byte that belongs into the old file is there, and no later write will ask.
        if machine.isSwitchWanted { trySwitchSoon() }
        if isOrphan { loop.soon { [weak self] in self?.endIfDone() } }
    }

    func didDiscard(_ size: Int, behind kept: Int) { machine.discarded(size, behind: kept) }

    func nextAnswer() -> RotationMachine.Answer {
        let pending = RotationMachine.Pending(
            count: buffer.pendingBytes, begun: buffer.restOfBegunRecord, first: buffer.wholeRecords(within: 0))
        return machine.next(pending, second: wallSecond, now: .now) { buffer.wholeRecords(within: $0) }
    }

    // MARK: State

    /// Nil: the trouble is over.
    func note(_ trouble: Trouble, _ error: IOError?) {
        troubles[trouble] = error
        updateState()
    }

    func updateState() {
        if isClosed {
            handler?.enter(.closed)
        } else if let failure = writer.failure {
            handler?.enter(.failed(failure))
        } else if let error = troubles.min(by: { $0.key < $1.key })?.value {
            handler?.enter(.degraded(error))
        } else {
            handler?.enter(.ready)
        }
    }

    func didFail(_ error: IOError) {
        // A task that waits for a switch waits for a record that is half in the file; that one goes out when the file
        // takes bytes again.
        resume(&waiting, error)
        updateState()
    }

    func didRecover() { updateState() }
}
