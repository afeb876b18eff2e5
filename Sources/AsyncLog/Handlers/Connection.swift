// The connection of a handler: it is made, watched, and made again.
//
// Without one the records wait in the buffer, whose bound is the spool's. A connection that breaks in the middle of a
// record takes the record's beginning with it; the record is kept until it is out, and goes whole to the next
// connection. What the kernel had taken before, and the other side has not got, is lost: TCP says neither when nor
// whether something arrives. To lose little, the connection is watched for its end, so that nothing is handed to one
// that is known to be dead.
//
// With a spool on disk, records that find no connection go to its file, and from there to the next connection; see
// DiskSpool.swift.
//
// Nothing here is a task: a loop that ends runs no more jobs, and makes its last attempt all the same.
import AsyncFD
import EventLoop

/// The destination of a `ConnectedHandler`. Loop thread only. The batch writer keeps it: what pends goes out even if the
/// program has let go of the handler.
final class Connection: Destination {
    let endpoint: Endpoint
    let buffer: RecordBuffer
    /// The handler whose state this connection determines. Kept from the first record until the loop's end or `close`.
    weak var handler: ConnectedHandler?
    private var keptHandler: ConnectedHandler?
    private let timeout: Duration
    private var machine: ConnectionMachine
    var dial: Dial?
    var socket: AsyncFD?
    private var retry: EventLoop.Timer?
    /// Why there is no connection; kept until all that has waited for one is on its way.
    var reason: IOError?
    let disk: DiskSpool?
    var drain: SpoolDrain?
    var target = Target.nowhere
    /// The batch writer is paused, or will be at its next write, to be redirected from the disk to the connection.
    var isSwitching = false
    /// `reroute` will be called in a moment.
    var isRerouteScheduled = false

    /// Where records go.
    enum Target {
        case nowhere
        case connection
        case disk
    }

    var probation = Probation.none

    /// UDP tells of a refusal only after the fact. So after one a single record is sent to try, and the others wait for
    /// a moment.
    enum Probation {
        case none
        case probing
        case awaitingVerdict(EventLoop.Timer)
    }

    /// How long an ICMP message may take.
    private static let verdictTime = Duration.milliseconds(100)

    init(
        _ endpoint: Endpoint, disk: DiskSpool?, backoff: Backoff, timeout: Duration,
        random: any RandomNumberGenerator & Sendable, _ buffer: RecordBuffer
    ) {
        self.endpoint = endpoint
        self.timeout = timeout
        self.disk = disk
        self.buffer = buffer
        machine = ConnectionMachine(backoff, random: random)
    }

    var loop: EventLoop { buffer.writer.loop }

    // MARK: Connecting

    package func didAttach() {
        keptHandler = handler
        openDisk()
        carryOut(machine.start())
    }

    private func carryOut(_ action: ConnectionMachine.Action) {
        switch action {
        case .none: break
        case .connect:
            if let retry = retry.take() { retry.cancel() }
            dial = Dial(endpoint, on: loop, timeout: timeout) { [self] in dialled($0) }
        case .pause(let pause): retry = loop.after(pause) { [self] in carryOut(machine.isDue()) }
        }
    }

    private func dialled(_ result: Result<AsyncFD, IOError>) {
        dial = nil
        switch result {
        case .success(let socket): use(socket)
        case .failure(let error):
            didFailToConnect(error)
            reroute()
            failIfNowhere()
            carryOut(machine.failed())
        }
    }

    private func use(_ socket: AsyncFD) {
        machine.made(at: loop.now)
        self.socket = socket
        socket.watchPeer(endpoint.isDatagrams) { [self] in didLose($0, socket) }
        reroute()
    }

    func didRestore() {
        probation = .none
        reason = nil
        buffer.writer.recover()
        handler?.enter(disk?.trouble.map { .degraded($0) } ?? .ready)
    }

    /// Never call this from within a write: it redirects the batch writer.
    func didLose(_ error: IOError, _ broken: AsyncFD) {
        guard socket === broken else { return }
        disconnect()
        didFailToConnect(error)
        carryOut(machine.lost(at: loop.now))
        reroute()
    }

    private func disconnect() {
        guard let socket = socket.take() else { return }
        if case .awaitingVerdict(let timer) = probation { timer.cancel() }
        probation = .none
        drain.take()?.stop()
        if target == .connection { target = .nowhere }
        socket.closeHere()  // this forbids a waiting write, and so pauses the batch writer
        if target == .nowhere { buffer.writer.redirect(to: nil) }
    }

    /// There is no connection, for this reason.
    private func didFailToConnect(_ error: IOError) {
        reason = error
        openDisk()
        // A failing disk is the greater trouble, and stays the reported state.
        if target == .disk, let failure = buffer.failure {
            handler?.enter(.failed(failure))
            return
        }
        if case .failed = handler?.condition.state {
            handler?.enter(.failed(error))
        } else {
            handler?.enter(.degraded(error))
        }
    }

    // MARK: The batch writer's questions

    package func mayWrite(_ count: Int) -> Int {
        if target == .disk, let disk { return spoolable(count, disk) }
        guard target == .connection, let socket else { return 0 }
        // The kernel would take records for a connection that it knows to be dead. A look costs 0.4 µs (measured), once
        // a write.
        if !endpoint.isDatagrams, let error = socket.peerHasGone {
            loop.soon { [self] in didLose(error, socket) }
            return 0
        }
        switch probation {
        case .none: return count
        case .awaitingVerdict: return 0
        case .probing:
            probation = .awaitingVerdict(
                loop.after(Self.verdictTime) { [self] in
                    didRestore()
                    buffer.writer.resume()
                })
            return buffer.wholeRecords(within: 1)
        }
    }

    package func didFailToWrite(_ error: IOError) {
        if target == .disk, error.code == .removed { loop.soon { [self] in diskIsRemoved() } }
        guard target == .connection, let socket else { return }
        loop.soon { [self] in didLose(error, socket) }
    }

    // The state of a connection does not depend on writes: an error ends it, and a write that works proves nothing.
    package func didFail(_ error: IOError) {
        if target == .disk { handler?.enter(.failed(error)) }
    }

    package func didRecover() {
        if target == .disk { handler?.enter(reason.map { .degraded($0) } ?? .ready) }
    }

    package func willRecover(isEnding: Bool) -> Bool {
        if isEnding, !buffer.writer.queue.isEmpty {
            if target == .nowhere, let disk, let tail = disk.tail {
                spool(to: tail)
            } else if isSwitching, target == .disk, disk?.isBusy == false {
                drain.take()?.stop()
                cancelSwitch()
            } else if socket == nil, target != .disk {
                carryOut(machine.hurry())
            }
        }
        switch target {
        case .connection: return true
        case .disk: return buffer.failure == nil || disk?.isBusy == true
        case .nowhere: return dial != nil || disk?.isOpening == true
        }
    }

    package func didSkip(_ error: IOError) { handler?.reportError(error) }

    /// The loop has ended: no timer and no dial will call back.
    package func didRelease() {
        if let rest = letGo() { reportLost(rest()) }
        keptHandler = nil
    }

    func reportLost(_ records: UInt64) {
        guard records > 0, let disk else { return }
        handler?.report(
            "\"\(disk.path)\": the file has been removed, and with it \(records) record\(records == 1 ? "" : "s") that had not been sent",
            .error)
    }

    /// Gives up the connection and the spool's file; returns what has to be done with that where it may block, and how
    /// many records are lost with the file.
    func letGo() -> (@Sendable () -> UInt64)? {
        disconnect()
        if target == .disk, buffer.writer.pause() {
            target = .nowhere
            buffer.writer.redirect(to: nil)
        }
        isSwitching = false
        dial.take()?.cancel()
        if let retry = retry.take() { retry.cancel() }
        machine.end()
        return disk?.close()
    }

    /// Records find no room any more.
    func becameFull() {
        if target == .nowhere, let reason { handler?.enter(.failed(reason)) }
    }

    /// Gives everything up, at the request of the program. The buffer has been finished.
    func close() async {
        let rest = letGo()
        buffer.writer.retire()
        if let rest { reportLost(await loop.offloadIO(rest)) }
        keptHandler = nil
    }
}
