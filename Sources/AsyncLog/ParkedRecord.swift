// A record that outlives its call: on its way from another thread, or waiting for room.
import EventLoop

/// An owned copy of a record.
///
/// Unchecked: it is written once, when it is made, and handed from thread to thread afterwards.
final class ParkedRecord: @unchecked Sendable {
    let core: LoggerCore
    private let level: Level
    private let time: Int64
    private let message: UnsafeMutableBufferPointer<UInt8>

    init(_ record: Record, of core: LoggerCore) {
        self.core = core
        level = record.level
        time = record.time
        message = .allocate(capacity: record.message.count)
        _ = message.initialize(from: record.message)
    }

    deinit { message.deallocate() }

    /// What it takes in memory, more or less.
    var cost: Int { ParkedRecord.overhead + message.count }
    static let overhead = 96

    func withRecord<Result>(_ body: (Record) -> Result) -> Result {
        body(Record(level: level, time: time, name: core.name, message: UnsafeBufferPointer(message)))
    }
}
