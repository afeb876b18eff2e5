// The swift-log backend: the handler behind a `Logging.Logger`.
//
// swift-log wants a value: code that changes a logger's level or metadata changes its own copy. The backend's logger
// has what all copies share (the destination, the levels by label, the ledger). An event is encoded, with its types, on
// the thread that logs; from there it goes the way of all records: onto the loop through its inbox, without a lock.
import AsyncLog
import Logging
import Synchronization

/// A swift-log handler that never blocks its caller.
///
///     LoggingSystem.bootstrap(AsyncLogHandler.standard)
///
/// Metadata arrives typed: an `Int` in `.stringConvertible` is a number in JSON, a `.dictionary` is an object, and a
/// type that conforms to `LogValue` encodes itself. Fields are sorted by their keys, as `StreamLogHandler` sorts them:
/// those of the logger first, then those of the metadata provider and of the call. Of equal keys the call's counts,
/// then the provider's. `error:` becomes the field `error`, with type, message and causes.
///
/// A value that any thread may use.
public struct AsyncLogHandler: LogHandler {
    private let backend: AsyncLogBackend
    private let logger: AsyncLog.Logger
    /// The level of this copy, if it was set.
    private var ownLevel: Logging.Logger.Level?

    /// Called for each record that passes the level, on the thread and in the task that logs.
    public var metadataProvider: Logging.Logger.MetadataProvider?

    /// The fields of all records of this copy. Encoded once, with the first record after a change.
    public var metadata = Logging.Logger.Metadata() {
        didSet { constant = metadata.isEmpty ? nil : ConstantMetadata() }
    }
    private var constant: ConstantMetadata?

    // MARK: Initializers

    /// A handler of the standard backend: see `AsyncLogBackend.standard`.
    ///
    ///     LoggingSystem.bootstrap(AsyncLogHandler.standard)
    @Sendable
    public static func standard(label: String) -> AsyncLogHandler {
        AsyncLogHandler(label: label, backend: .standard, metadataProvider: LoggingSystem.metadataProvider)
    }

    /// The same with a metadata provider.
    ///
    ///     LoggingSystem.bootstrap(AsyncLogHandler.standard, metadataProvider: .tracing)
    @Sendable
    public static func standard(label: String, metadataProvider: Logging.Logger.MetadataProvider?) -> AsyncLogHandler {
        AsyncLogHandler(label: label, backend: .standard, metadataProvider: metadataProvider)
    }

    /// - Parameters:
    ///   - label: the logger's name in the log: a child of the backend's logger. Directives use this name.
    ///   - backend: the destination of the records.
    ///   - metadataProvider: adds metadata to each record.
    public init(
        label: String, backend: AsyncLogBackend,
        metadataProvider: Logging.Logger.MetadataProvider? = LoggingSystem.metadataProvider
    ) {
        self.backend = backend
        logger = label.isEmpty ? backend.logger : backend.logger[label]
        self.metadataProvider = metadataProvider
    }

    // MARK: LogHandler

    /// The threshold of this copy. Until it is set, it follows the backend's level for the label; from then on it no
    /// longer does.
    ///
    /// swift-log has no level above critical: if the backend's level is `off`, this is `critical`, and still nothing is
    /// logged.
    public var logLevel: Logging.Logger.Level {
        get { ownLevel ?? Logging.Logger.Level(threshold: logger.threshold) }
        set { ownLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logging.Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let level = AsyncLog.Level(event.level)
        guard ownLevel != nil || level.rawValue >= logger.threshold else { return }
        let parts = logger.callSiteParts
        if parts.isEmpty {
            submit(event, level, at: CallSite(line: event.line))
        } else {
            withCallSite(event, parts) { submit(event, level, at: $0) }
        }
    }

    /// The predecessor of `log(event:)`, for callers that use it directly.
    @available(*, deprecated, renamed: "log(event:)")
    public func log(
        level: Logging.Logger.Level, message: Logging.Logger.Message, metadata: Logging.Logger.Metadata?,
        source: String, file: String,
        function: String, line: UInt
    ) {
        log(
            event: LogEvent(
                level: level, message: message, metadata: metadata, source: source, file: file, function: function,
                line: line))
    }

    // MARK: An event

    private func submit(_ event: borrowing LogEvent, _ level: AsyncLog.Level, at site: CallSite) {
        // Taken out one by one, so that the closure does not copy the event.
        let (provided, metadata, error) = (metadataProvider?.get(), event.metadata, event.error)
        let encoder = MetadataEncoder(privacy: backend.privacy)
        var message = event.message.description
        message.withUTF8 { message in
            logger.submit(level, message, isAboveThreshold: ownLevel != nil, common: common, at: site) { fields in
                if let provided { encoder.encode(provided, to: &fields) }
                if let metadata { encoder.encode(metadata, to: &fields) }
                if let error { fields["error"] = error }
            }
        }
    }

    /// The metadata of this copy, encoded.
    private var common: BoundFields? {
        guard let constant else { return nil }
        return constant.fields
            ?? constant.keep(logger.encode { MetadataEncoder(privacy: backend.privacy).encode(metadata, to: &$0) })
    }

    /// Takes only the parts from the event that a handler reads: `source` is computed on access.
    private func withCallSite(_ event: borrowing LogEvent, _ parts: CallSite.Parts, _ body: (CallSite) -> Void) {
        var file = parts.isDisjoint(with: [.file, .module]) ? "" : event.file
        var function = parts.contains(.function) ? event.function : ""
        var source = parts.contains(.module) ? event.source : ""
        file.withUTF8 { file in
            function.withUTF8 { function in
                source.withUTF8 {
                    body(CallSite(file: Text(file), function: Text(function), line: event.line, module: Text($0)))
                }
            }
        }
    }
}

/// The encoded form of a handler's metadata, shared by its copies until one of them changes it.
///
/// Not the standard library's `AtomicLazyReference`, whose `load` is not inlined and costs as much as the encoding of
/// three fields.
private final class ConstantMetadata: Sendable {
    /// Nil until a record has been logged; then it stays. Owned.
    private let encoded = Atomic<Unmanaged<BoundFields>?>(nil)

    deinit { encoded.load(ordering: .acquiring)?.release() }

    @inline(__always)
    var fields: BoundFields? { encoded.load(ordering: .acquiring)?.takeUnretainedValue() }

    /// Keeps the fields, unless another thread has been faster. Returns the fields that are kept.
    func keep(_ fields: BoundFields) -> BoundFields {
        let owned = Unmanaged.passRetained(fields)
        let (isKept, other) = encoded.compareExchange(expected: nil, desired: owned, ordering: .acquiringAndReleasing)
        if isKept { return fields }
        owned.release()
        return other!.takeUnretainedValue()
    }
}

extension AsyncLog.Level {
    init(_ level: Logging.Logger.Level) {
        switch level {
        case .trace: self = .trace
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        case .critical: self = .critical
        }
    }
}

extension Logging.Logger.Level {
    /// - Parameter threshold: the number of an `AsyncLog.Level`, or a higher one.
    fileprivate init(threshold: UInt8) {
        switch threshold {
        case 0: self = .trace
        case 1: self = .debug
        case 2: self = .info
        case 3: self = .notice
        case 4: self = .warning
        case 5: self = .error
        default: self = .critical
        }
    }
}
