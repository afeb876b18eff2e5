// One call to a logger, on its way through the handlers.

/// A view of one record. The memory is the caller's: a record is valid during the call that hands it over, and is copied by whoever keeps it.
struct Record {
    let level: Level
    /// When the logger was called: nanoseconds since 1970-01-01T00:00:00Z.
    let time: Int64
    /// The logger's name, UTF-8, already escaped.
    let name: UnsafeBufferPointer<UInt8>
    /// UTF-8, as the caller wrote it.
    let message: UnsafeBufferPointer<UInt8>
}
