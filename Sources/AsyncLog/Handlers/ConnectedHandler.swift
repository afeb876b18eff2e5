// A handler whose destination is reached by a connection: it is made, watched, and made again.
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

/// The part of `SocketHandler` and `SyslogHandler` that does not depend on the format.
///
/// Unchecked as its superclass is: loop thread only.
public class ConnectedHandler: BufferedHandler, Destination, @unchecked Sendable {
    /// What it connects to.
    public final let endpoint: Endpoint
    private final let timeout: Duration
    private final var machine: ConnectionMachine
    final var dial: Dial?
    final var connection: AsyncFD?
    private final var retry: EventLoop.Timer?
    /// Why there is no connection; kept until all that has waited for one is on its way.
    final var reason: IOError?
    final let disk: DiskSpool?
    final var drain: SpoolDrain?
    final var target = Target.nowhere
    /// The batch writer is paused, or will be at its next write, to be redirected from the disk to the connection.
    final var isSwitching = false
    /// `reroute` will be called in a moment.
    final var isRerouteScheduled = false

    /// Where records go.
    enum Target {
        case nowhere
        case connection
        case disk
    }

    final var probation = Probation.none

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
        _ endpoint: Endpoint, framing: Framing, spool: Spool, levels: ClosedRange<Level>, reserve: Int?,
        overflow: Overflow, maximumLineLength: Int,
        backoff: Backoff, timeout: Duration, random: any RandomNumberGenerator & Sendable
    ) {
        self.endpoint = endpoint
        self.timeout = timeout
        machine = ConnectionMachine(backoff, random: random)
        let writer = BatchWriter(on: EventLoop.current ?? .main)
        disk = spool.disk.map { path, limit in
            if case .udp = endpoint {
                preconditionFailure("UDP does not tell when a receiver is not there: there is no time to spool")
            }
            guard let bounds = framing.bounds else {
                preconditionFailure("a spool on disk needs a framing, to tell records apart")
            }
            return DiskSpool(path, limit: limit, bounds: bounds, on: writer.loop)
        }
        super.init(
            writer, label: "\(endpoint)", levels: levels, capacity: spool.memory, reserve: reserve ?? spool.memory / 16,
            overflow: overflow,
            maximumLineLength: maximumLineLength)
        buffer.destination = self
    }

    /// Sends what waits, for at most as long as `limit`, reports what could not be sent, and closes the connection.
    /// Records that come later are sent by a new one. Any task.
    @discardableResult
    public final func close(within limit: Duration = EventLoop.exitTimeout) async -> Ledger {
        guard loop.canBeVisited else { return await closeHere(limit) }
        return await loop.visit { await closeHere(limit) }
    }

    private final func closeHere(_ limit: Duration) async -> Ledger {
        await buffer.finish(within: limit)
        let rest = letGo()
        buffer.writer.retire()
        if let rest { reportLost(await loop.offloadIO(rest)) }
        return ledger
    }

    // MARK: Connecting

    package final func didAttach() {
        openDisk()
        carryOut(machine.start())
    }

    private final func carryOut(_ action: ConnectionMachine.Action) {
        switch action {
        case .none: break
        case .connect:
            if let retry = retry.take() { retry.cancel() }
            dial = Dial(endpoint, on: loop, timeout: timeout) { [self] in dialled($0) }
        case .pause(let pause): retry = loop.after(pause) { [self] in carryOut(machine.isDue()) }
        }
    }

    private final func dialled(_ result: Result<AsyncFD, IOError>) {
        dial = nil
        switch result {
        case .success(let connection): use(connection)
        case .failure(let error):
            didFailToConnect(error)
            reroute()
            failIfNowhere()
            carryOut(machine.failed())
        }
    }

    private final func use(_ connection: AsyncFD) {
        machine.made(at: loop.now)
        self.connection = connection
        connection.watchPeer(endpoint.isDatagrams) { [self] in didLose($0, connection) }
        reroute()
    }

    final func didRestore() {
        probation = .none
        reason = nil
        buffer.writer.recover()
        enter(disk?.trouble.map { .degraded($0) } ?? .ready)
    }

    /// Never call this from within a write: it redirects the batch writer.
    final func didLose(_ error: IOError, _ broken: AsyncFD) {
        guard connection === broken else { return }
        disconnect()
        didFailToConnect(error)
        carryOut(machine.lost(at: loop.now))
        reroute()
    }

    private final func disconnect() {
        guard let connection = connection.take() else { return }
        if case .awaitingVerdict(let timer) = probation { timer.cancel() }
        probation = .none
        drain.take()?.stop()
        if target == .connection { target = .nowhere }
        connection.closeHere()  // this forbids a waiting write, and so pauses the batch writer
        if target == .nowhere { buffer.writer.redirect(to: nil) }
    }

    /// There is no connection, for this reason.
    private final func didFailToConnect(_ error: IOError) {
        reason = error
        openDisk()
        // A failing disk is the greater trouble, and stays the reported state.
        if target == .disk, let failure = buffer.failure { return enter(.failed(failure)) }
        if case .failed = condition.state { return enter(.failed(error)) }
        enter(.degraded(error))
    }

    // MARK: The batch writer's questions

    package final func mayWrite(_ count: Int) -> Int {
        if target == .disk, let disk { return spoolable(count, disk) }
        guard target == .connection, let connection else { return 0 }
        // The kernel would take records for a connection that it knows to be dead. A look costs 0.4 µs (measured), once
        // a write.
        if !endpoint.isDatagrams, let error = connection.peerHasGone {
            loop.soon { [self] in didLose(error, connection) }
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

    package final func didFailToWrite(_ error: IOError) {
        if target == .disk, error.code == .removed { loop.soon { [self] in diskIsRemoved() } }
        guard target == .connection, let connection else { return }
        loop.soon { [self] in didLose(error, connection) }
    }

    // The state of a connection does not depend on writes: an error ends it, and a write that works proves nothing.
    package final func didFail(_ error: IOError) {
        if target == .disk { enter(.failed(error)) }
    }

    package final func didRecover() {
        if target == .disk { enter(reason.map { .degraded($0) } ?? .ready) }
    }

    package final func willRecover(isEnding: Bool) -> Bool {
        if isEnding, !buffer.writer.queue.isEmpty {
            if target == .nowhere, let disk, let tail = disk.tail {
                spool(to: tail)
            } else if isSwitching, target == .disk, disk?.isBusy == false {
                drain.take()?.stop()
                cancelSwitch()
            } else if connection == nil, target != .disk {
                carryOut(machine.hurry())
            }
        }
        switch target {
        case .connection: return true
        case .disk: return buffer.failure == nil || disk?.isBusy == true
        case .nowhere: return dial != nil || disk?.isOpening == true
        }
    }

    package final func didSkip(_ error: IOError) { reportError(error) }

    /// The loop has ended: no timer and no dial will call back.
    package final func didRelease() { if let rest = letGo() { reportLost(rest()) } }

    private final func reportLost(_ records: UInt64) {
        guard records > 0, let disk else { return }
        report(
            "\"\(disk.path)\": the file has been removed, and with it \(records) record\(records == 1 ? "" : "s") that had not been sent",
            .error)
    }

    /// Gives up the connection and the spool's file; returns what has to be done with that where it may block, and how
    /// many records are lost with the file.
    private final func letGo() -> (@Sendable () -> UInt64)? {
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

    override final func becameFull() {
        if target == .nowhere, let reason { enter(.failed(reason)) }
    }

    override final var currentStatistics: HandlerStatistics {
        var statistics = super.currentStatistics
        statistics.spooledBytes = disk?.count ?? 0
        return statistics
    }
}
