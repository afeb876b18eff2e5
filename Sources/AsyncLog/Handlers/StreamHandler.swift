// A handler that writes records to a descriptor in a format.
import AsyncFD

/// Writes records to a descriptor of any kind, each in one piece, all of one turn of the loop with one system call.
///
///     let handler = StreamHandler(.standardOutput, formatter: JSONFormatter(), overflow: .dropOldest)
///     let logger = Logger("app", handlers: [handler])
///
/// The descriptor stays its owner's: it is not closed with the handler. Loop thread only, like every handler; making
/// one is for any thread.
public final class StreamHandler<Format: Formatter>: BufferedHandler, @unchecked Sendable {
    @exclusivity(unchecked) private var formatter: Format
    private let parts: CallSite.Parts

    /// - Parameters:
    ///   - descriptor: where to write. Its event loop is the handler's.
    ///   - formatter: how records look.
    ///   - levels: records of other levels are ignored.
    ///   - capacity: how many bytes may wait to be written.
    ///   - reserve: how many of them are kept for records of level error and above; a sixteenth, if not given.
    ///   - overflow: what happens when the buffer is full.
    ///   - maximumLineLength: in bytes. A longer line has its texts cut, each with a mark.
    public init(
        _ descriptor: AsyncFD, formatter: Format, levels: ClosedRange<Level> = .trace ... .critical,
        capacity: Int = defaultCapacity,
        reserve: Int? = nil, overflow: Overflow = .suspend, maximumLineLength: Int = 1 << 18
    ) {
        self.formatter = formatter
        parts = formatter.callSiteParts
        super.init(
            BatchWriter(descriptor), label: descriptor.label, levels: levels, capacity: capacity,
            reserve: reserve ?? capacity / 16,
            overflow: overflow, maximumLineLength: maximumLineLength)
    }

    override public var callSiteParts: CallSite.Parts { parts }
    override var timestamps: [Timestamp]? { (formatter as? any TimedFormatter)?.timestamps }

    override func layOut(_ record: borrowing Record, to line: inout LineBuffer) throws {
        try formatter.format(record, to: &line)
    }
}

extension [Handler] {
    /// Handlers of the two standard streams of a program: what is worth a warning goes to standard error, the rest to
    /// standard output.
    ///
    ///     let logger = Logger("app", handlers: .standardStreams(formatter: JSONFormatter()))
    ///
    /// On the current event loop; outside of any, on the main loop.
    ///
    /// - Parameters:
    ///   - formatter: how records look; each stream has a copy.
    ///   - level: the lowest level that goes to standard error: warning, unless given.
    ///   - capacity: how many bytes may wait to be written, on each.
    ///   - overflow: what happens when a buffer is full.
    public static func standardStreams(
        formatter: some Formatter, errorsFrom level: Level = .warning, capacity: Int = BufferedHandler.defaultCapacity,
        overflow: Overflow = .suspend
    ) -> [Handler] {
        let errors = StreamHandler(
            .standardError, formatter: formatter, levels: level...Level.critical, capacity: capacity, overflow: overflow
        )
        guard level > .trace, let below = Level(rawValue: level.rawValue - 1) else { return [errors] }
        return [
            StreamHandler(
                .standardOutput, formatter: formatter, levels: Level.trace...below, capacity: capacity,
                overflow: overflow), errors,
        ]
    }
}
