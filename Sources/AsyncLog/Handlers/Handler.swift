// Where records go. A handler takes those of its levels, lays them out with its formatter, and buffers them for its descriptor.
import AsyncFD
import EventLoop

/// A destination of records with a formatter and a bounded buffer of its own. Loop thread only, but for what is immutable.
///
/// Unchecked because only its pipeline calls it, on the pipeline's loop.
final class Handler: OutputBufferOwner, @unchecked Sendable {
    private let levels: ClosedRange<Level>
    private var formatter = TextFormatter()
    let buffer: OutputBuffer
    /// Standard error, unless this is the handler of standard error.
    private let speaksOfItself: Bool

    static let defaultCapacity = 1 << 20

    init(_ descriptor: AsyncFD, levels: ClosedRange<Level>, capacity: Int = Handler.defaultCapacity) {
        self.levels = levels
        buffer = OutputBuffer(descriptor, capacity: capacity)
        speaksOfItself = descriptor.descriptor.rawValue != 2
        buffer.owner = self
    }

    func takes(_ level: Level) -> Bool { levels.contains(level) }

    // MARK: A record

    /// Opens the books for a record and writes it to the buffer. Returns false if there is no room; then the record is either `retry`-ed
    /// when there is, or dropped with `drop`.
    func accept(_ record: Record) -> Bool {
        buffer.accept()
        let size = formatter.prepare(record)
        guard buffer.hasRoom(size) else { return false }
        format(record, size)
        return true
    }

    /// Writes a record that was accepted before and found no room, making room first if the descriptor takes bytes right now.
    func retryNow(_ record: Record) -> Bool {
        buffer.pushOut()
        let size = formatter.prepare(record)
        guard buffer.hasRoom(size) else { return false }
        format(record, size)
        return true
    }

    /// Writes a record that was accepted before, as soon as there is room and its turn has come.
    func retry(_ parked: ParkedRecord) async {
        let size = parked.withRecord { formatter.prepare($0) }
        if case .refused(let reason) = await buffer.waitForRoom(size) { return buffer.drop(reason) }
        redeem(parked, size)
    }

    /// The same for a record whose caller has gone on.
    func retryLater(_ parked: ParkedRecord, then done: @escaping () -> Void) {
        let size = parked.withRecord { formatter.prepare($0) }
        buffer.whenRoom(size) { [self] room in
            if case .refused(let reason) = room { buffer.drop(reason) } else { redeem(parked, size) }
            done()
        }
    }

    func drop() { buffer.drop(buffer.failure == nil ? .overflow : .failure) }

    private func redeem(_ parked: ParkedRecord, _ size: Int) {
        buffer.redeem(size)
        parked.withRecord { record in
            _ = formatter.prepare(record)
            format(record, size)
        }
    }

    private func format(_ record: Record, _ size: Int) {
        buffer.commit(formatter.format(record, to: buffer.begin(size).assumingMemoryBound(to: UInt8.self)))
    }

    // MARK: Reports

    func reportDrops(_ count: UInt64) {
        report("\(count) records dropped here: the buffer was full") { record in
            let size = formatter.prepare(record)
            buffer.commitReport(formatter.format(record, to: buffer.begin(size).assumingMemoryBound(to: UInt8.self)))
        }
    }

    func reportFailure(_ error: IOError, dropped count: UInt64) {
        sayElsewhere("\(error); \(count) records dropped so far, trying again")
    }

    func reportRecovery() { sayElsewhere("\(buffer.descriptor.label) works again") }

    func reportAtEnd(_ count: UInt64, because error: IOError?) {
        let reason = error.map { "\($0)" } ?? "write \(buffer.descriptor.label): nobody read it in time"
        sayElsewhere("\(reason); \(count) of \(buffer.ledger.accepted) records dropped")
    }

    private func sayElsewhere(_ text: String) {
        guard speaksOfItself else { return }
        report(text) { record in
            var formatter = TextFormatter()
            let line = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: formatter.prepare(record)) { memory in
                let length = formatter.format(record, to: memory.baseAddress!)
                return String(decoding: memory[..<(length - 1)], as: UTF8.self)
            }
            LastResort.say(line)
        }
    }

    /// Makes a record of the logger's own.
    private func report(_ text: String, _ body: (Record) -> Void) {
        var text = text
        var name = "asynclog"
        text.withUTF8 { text in
            name.withUTF8 { name in body(Record(level: .warning, time: WallClock.now, name: name, message: text)) }
        }
    }
}
