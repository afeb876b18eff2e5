// A handler whose destination is reached by a connection: it is made, watched, and made again.
//
// Without one the records wait in the buffer, whose bound is the spool's. A connection that breaks in the middle of a record takes the
// record's beginning with it; the record is kept until it is out, and goes whole to the next connection. What the kernel had taken before,
// and the other side has not got, is lost: TCP says neither when nor whether something arrives. To lose little, the connection is watched
// for its end, so that nothing is handed to one that is known to be dead.
//
// With a spool on disk, records that find no connection go to its file, and from there to the next connection; see DiskSpool.swift.
//
// Nothing here is a task: a loop that ends runs no more jobs, and makes its last attempt all the same.
import AsyncFD
import EventLoop

/// The part of `SocketHandler` and `SyslogHandler` that does not depend on the format.
///
/// Unchecked as its superclass is: loop thread only.
public class ConnectedHandler: BufferedHandler, @unchecked Sendable {
    /// What it connects to.
    public final let endpoint: Endpoint
    private final let timeout: Duration
    private final var machine: ConnectionMachine
    private final var dial: Dial?
    private final var connection: AsyncFD?
    private final var retry: TimerID?
    /// Why there is no connection; kept until all that has waited for one is on its way.
    private final var reason: IOError?
    private final let disk: DiskSpool?
    private final var drain: SpoolDrain?
    private final var destination = Destination.nowhere
    /// The outlet is held, or will be at its next write, to be led from the disk to the connection.
    private final var isSwitching = false
    /// What had been written when the disk's contents were last known.
    private final var writtenBefore: UInt64 = 0

    /// Where records go.
    private enum Destination {
        case nowhere
        case connection
        case disk
    }

    private final var probation = Probation.none

    /// UDP tells of a refusal only after the fact. So after one a single record is sent to try, and the others wait for a moment.
    private enum Probation {
        case none
        case probing
        case awaitingVerdict(TimerID)
    }

    /// How long an ICMP message may take.
    private static let verdictTime = Duration.milliseconds(100)

    init(
        _ endpoint: Endpoint, framing: Framing, spool: Spool, levels: ClosedRange<Level>, reserve: Int?, overflow: Overflow, maximumLineLength: Int,
        backoff: Backoff, timeout: Duration, random: any RandomNumberGenerator & Sendable
    ) {
        self.endpoint = endpoint
        self.timeout = timeout
        machine = ConnectionMachine(backoff, random: random)
        let outlet = Outlet(on: EventLoop.current ?? .main)
        disk = spool.disk.map { path, limit in
            if case .udp = endpoint { preconditionFailure("UDP does not tell when a receiver is not there: there is no time to spool") }
            guard let bounds = framing.bounds else { preconditionFailure("a spool on disk needs a framing, to tell records apart") }
            return DiskSpool(path, limit: limit, bounds: bounds, on: outlet.loop)
        }
        super.init(
            outlet, label: "\(endpoint)", levels: levels, capacity: spool.memory, reserve: reserve ?? spool.memory / 16, overflow: overflow,
            maximumLineLength: maximumLineLength)
    }

    /// Sends what waits, for at most as long as `limit`, says what could not be sent, and closes the connection. Records that come later are sent by
    /// a new one. Any task.
    @discardableResult
    public final func close(within limit: Duration = EventLoop.exitPatience) async -> Ledger {
        guard !loop.isCurrent, loop.isRunning else { return await closeHere(limit) }
        return await withTaskExecutorPreference(loop) { await closeHere(limit) }
    }

    private final func closeHere(_ limit: Duration) async -> Ledger {
        await buffer.finish(within: limit)
        bufferReleased()
        buffer.outlet.retire()
        return ledger
    }

    // MARK: Connecting

    override package final func bufferAttached() {
        openDisk()
        carryOut(machine.start())
    }

    private final func carryOut(_ action: ConnectionMachine.Action) {
        switch action {
        case .none: break
        case .connect: dial = Dial(endpoint, on: loop, timeout: timeout) { [self] in dialled($0) }
        case .pause(let pause): retry = loop.after(pause) { [self] in carryOut(machine.isDue()) }
        }
    }

    private final func dialled(_ result: Result<AsyncFD, IOError>) {
        dial = nil
        switch result {
        case .success(let connection): use(connection)
        case .failure(let error):
            miss(error)
            arrange()
            failIfNowhere()
            carryOut(machine.failed())
        }
    }

    private final func use(_ connection: AsyncFD) {
        machine.made(at: loop.now)
        self.connection = connection
        connection.watchPeer(endpoint.isDatagrams) { [self] in broke($0, connection) }
        arrange()
    }

    private final func works() {
        probation = .none
        reason = nil
        buffer.outlet.recover()
        enter(disk?.trouble.map { .degraded($0) } ?? .ready)
    }

    /// Never from within a write: the outlet would be led away under it.
    private final func broke(_ error: IOError, _ broken: AsyncFD) {
        guard connection === broken else { return }
        disconnect()
        miss(error)
        carryOut(machine.broke(at: loop.now))
        arrange()
    }

    private final func disconnect() {
        guard let connection = connection.take() else { return }
        if case .awaitingVerdict(let timer) = probation { loop.cancel(timer) }
        probation = .none
        drain.take()?.stop()
        if destination == .connection { destination = .nowhere }
        connection.closeHere()  // a write that waited is forbidden now, and the outlet held
        if destination == .nowhere { buffer.outlet.lead(to: nil) }
    }

    /// There is no connection, for this reason.
    private final func miss(_ error: IOError) {
        reason = error
        openDisk()
        if case .failed = condition.state { return enter(.failed(error)) }
        enter(.degraded(error))
    }

    // MARK: Where records go

    private final func openDisk() {
        guard let disk, disk.tail == nil, !disk.isOpening else { return }
        disk.open { [self] torn in
            if torn > 0 { say("\"\(disk.path)\": \(torn) bytes of a record that was not finished have been cut off", .warning) }
            if let trouble = disk.trouble { enter(.degraded(trouble)) }
            arrange()
            failIfNowhere()
        }
    }

    /// Records have nowhere to go, and nobody is looking for a place: who waits for a flush is told now.
    private final func failIfNowhere() {
        guard destination == .nowhere, connection == nil, dial == nil, disk?.isOpening != true, let reason else { return }
        buffer.outlet.fail(reason)
    }

    /// Leads records to where they have to go as things stand.
    private final func arrange() {
        noteSpooled()
        guard disk?.isOpening != true else { return }
        guard let disk, let tail = disk.tail else {
            if let connection, destination != .connection { lead(to: connection) }
            return
        }
        if let connection, disk.isEmpty {
            guard destination != .connection else { return }
            isSwitching = true
            // What is being written right now is in the file when this is asked again.
            guard buffer.outlet.hold() else { return }
            if !disk.isSpent { return lead(to: connection) }
            disk.clear { [self] error in
                if let error { miss(error) }
                arrange()
            }
        } else if connection != nil || reason != nil || !disk.isEmpty {
            if destination != .disk { spool(to: tail) } else if isSwitching, connection == nil { stay() }
            if let connection, drain == nil { send(disk, over: connection) }
        }
    }

    private final func lead(to connection: AsyncFD) {
        isSwitching = false
        destination = .connection
        buffer.outlet.delivery = endpoint.isDatagrams ? .datagrams : .wholeRecords
        buffer.outlet.lead(to: connection)
        if case .udp = endpoint, reason != nil { probation = .probing } else { works() }
        buffer.outlet.resume()
    }

    private final func spool(to tail: AsyncFD) {
        destination = .disk
        writtenBefore = buffer.writtenBytes
        buffer.outlet.delivery = .wholeRecords
        buffer.outlet.lead(to: tail)
        buffer.outlet.recover()
        buffer.outlet.resume()
    }

    /// The connection that records were about to be led to has gone.
    private final func stay() {
        isSwitching = false
        buffer.outlet.resume()
    }

    private final func send(_ disk: DiskSpool, over connection: AsyncFD) {
        drain = SpoolDrain(disk, to: connection, isDatagrams: endpoint.isDatagrams, on: loop) { [self] in
            noteSpooled()
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

    private final func noteSpooled() {
        guard destination == .disk, let disk else { return }
        disk.appended(Int(buffer.writtenBytes &- writtenBefore))
        writtenBefore = buffer.writtenBytes
    }

    /// How many bytes may go to the disk, of `count` that pend behind those of a record that has been begun.
    private final func spoolable(_ count: Int, _ disk: DiskSpool) -> Int {
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

    // MARK: The buffer's news

    override package final func bufferMayWrite(_ count: Int) -> Int {
        if destination == .disk, let disk { return spoolable(count, disk) }
        guard destination == .connection, let connection else { return 0 }
        // The kernel would take records for a connection that it knows to be dead. A look costs a fifth of a microsecond for all of a turn.
        if !endpoint.isDatagrams, let error = connection.peerHasGone {
            loop.soon { [self] in broke(error, connection) }
            return 0
        }
        switch probation {
        case .none: return count
        case .awaitingVerdict: return 0
        case .probing:
            probation = .awaitingVerdict(
                loop.after(Self.verdictTime) { [self] in
                    works()
                    buffer.outlet.resume()
                })
            return buffer.wholeRecords(within: 1)
        }
    }

    override package final func bufferWriteFailed(_ error: IOError) {
        guard destination == .connection, let connection else { return }
        loop.soon { [self] in broke(error, connection) }
    }

    // Of a connection we know better: a write that works is no news of it, and an error ends it.
    override package final func bufferFailed(_ error: IOError) {
        if destination == .disk { enter(.failed(error)) }
    }

    override package final func bufferRecovered() {
        if destination == .disk { enter(reason.map { .degraded($0) } ?? .ready) }
    }

    override package final func bufferIsSeenTo(isEnding: Bool) -> Bool {
        if isEnding, !buffer.outlet.queue.isEmpty {
            if destination == .nowhere, let disk, let tail = disk.tail {
                spool(to: tail)
            } else if isSwitching, destination == .disk {
                drain.take()?.stop()
                stay()
            } else if connection == nil, destination != .disk {
                carryOut(machine.hurry())
            }
        }
        switch destination {
        case .connection: return true
        case .disk: return buffer.failure == nil
        case .nowhere: return dial != nil || disk?.isOpening == true
        }
    }

    override package final func bufferReleased() {
        noteSpooled()
        disconnect()
        if destination == .disk, buffer.outlet.hold() {
            destination = .nowhere
            buffer.outlet.lead(to: nil)
        }
        disk?.close()
        isSwitching = false
        dial.take()?.cancel()
        if let retry { loop.cancel(retry) }
        retry = nil
        machine.end()
    }

    override final func becameFull() {
        if destination == .nowhere, let reason { enter(.failed(reason)) }
    }

    override final var currentStatistics: HandlerStatistics {
        var statistics = super.currentStatistics
        noteSpooled()
        statistics.spooledBytes = disk?.count ?? 0
        return statistics
    }
}
