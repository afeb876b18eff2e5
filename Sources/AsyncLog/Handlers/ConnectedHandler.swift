// A handler whose destination is reached by a connection: it is made, watched, and made again.
//
// Without one the records wait in the buffer, whose bound is the spool's. A connection that breaks in the middle of a record takes the
// record's beginning with it; the record is kept until it is out, and goes whole to the next connection. What the kernel had taken before,
// and the other side has not got, is lost: TCP says neither when nor whether something arrives. To lose little, the connection is watched
// for its end, so that nothing is handed to one that is known to be dead.
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
    /// Why there is no connection.
    private final var reason: IOError?
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
        _ endpoint: Endpoint, levels: ClosedRange<Level>, capacity: Int, reserve: Int?, overflow: Overflow, maximumLineLength: Int,
        backoff: Backoff, timeout: Duration, random: any RandomNumberGenerator & Sendable
    ) {
        self.endpoint = endpoint
        self.timeout = timeout
        machine = ConnectionMachine(backoff, random: random)
        let outlet = Outlet(on: EventLoop.current ?? .main)
        outlet.delivery = endpoint.isDatagrams ? .datagrams : .wholeRecords
        super.init(
            outlet, label: "\(endpoint)", levels: levels, capacity: capacity, reserve: reserve ?? capacity / 16, overflow: overflow,
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

    override package final func bufferAttached() { carryOut(machine.start()) }

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
            // Who waits for a flush is told now.
            buffer.outlet.fail(error)
            carryOut(machine.failed())
        }
    }

    private final func use(_ connection: AsyncFD) {
        machine.made(at: loop.now)
        self.connection = connection
        connection.watchPeer(endpoint.isDatagrams) { [self] in broke($0, connection) }
        guard self.connection === connection else { return }  // it had gone already
        buffer.outlet.lead(to: connection)
        if case .udp = endpoint, reason != nil { probation = .probing } else { works() }
        buffer.outlet.resume()
    }

    private final func works() {
        probation = .none
        reason = nil
        buffer.outlet.recover()
        enter(.ready)
    }

    /// Never from within a write: the outlet would be led away under it.
    private final func broke(_ error: IOError, _ broken: AsyncFD) {
        guard connection === broken else { return }
        disconnect()
        miss(error)
        carryOut(machine.broke(at: loop.now))
    }

    private final func disconnect() {
        guard let connection = connection.take() else { return }
        if case .awaitingVerdict(let timer) = probation { loop.cancel(timer) }
        probation = .none
        connection.closeHere()  // a write that waited is forbidden now, and the outlet held
        buffer.outlet.lead(to: nil)
    }

    /// There is no connection, for this reason.
    private final func miss(_ error: IOError) {
        reason = error
        if case .failed = condition.state { return enter(.failed(error)) }
        enter(.degraded(error))
    }

    // MARK: The buffer's news

    override package final func bufferMayWrite(_ count: Int) -> Int {
        guard let connection else { return 0 }
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
        guard let connection else { return }
        loop.soon { [self] in broke(error, connection) }
    }

    // The connection knows better: a write that works is no news of it, and an error ends it.
    override package final func bufferFailed(_ error: IOError) {}
    override package final func bufferRecovered() {}

    override package final func bufferIsSeenTo(isEnding: Bool) -> Bool {
        if isEnding, connection == nil, !buffer.outlet.queue.isEmpty { carryOut(machine.hurry()) }
        return dial != nil || connection != nil
    }

    override package final func bufferReleased() {
        disconnect()
        dial.take()?.cancel()
        if let retry { loop.cancel(retry) }
        retry = nil
        machine.end()
    }

    override final func becameFull() {
        if connection == nil, let reason { enter(.failed(reason)) }
    }
}
