// The swift-log backend: what is behind a `Logging.Logger`.
//
// swift-log asks for a value: whoever changes the level or the metadata of his logger changes his copy. What all copies share (the destination, the
// levels by label, the books) is behind the backend's logger. An event is encoded on the thread that logs, with its types, and goes the way of all
// records from there: onto the loop through its inbox, without a lock.
import AsyncLog
import Logging
import Synchronization

/// A swift-log handler that never blocks its caller.
///
///     LoggingSystem.bootstrap(AsyncLogHandler.standard)
///
/// Metadata arrives typed: an `Int` in `.stringConvertible` is a number in JSON, a `.dictionary` is an object, and a type that conforms to `LogValue`
/// is what it says it is. Fields are sorted by their keys, as `StreamLogHandler` sorts them: those of the logger first, then those of the
/// metadata provider and of the call. Of equal keys the call's counts, then the provider's. `error:` becomes the field `error`, with type, message and causes.
///
/// A value; all of it for any thread.
public struct AsyncLogHandler: LogHandler {
    private let backend: AsyncLogBackend
    private let logger: AsyncLog.Logger
    /// The level of this copy, if it was set.
    private var ownLevel: Logging.Logger.Level?

    /// Called on the thread and in the task that logs, for each record that is going to be looked at.
    public var metadataProvider: Logging.Logger.MetadataProvider?

    /// The fields of all records of this copy. Encoded once, when its first record comes after a change.
    public var metadata = Logging.Logger.Metadata() {
        didSet { constant = metadata.isEmpty ? nil : ConstantMetadata() }
    }
    private var constant: ConstantMetadata?

    // MARK: Making one

    /// A handler of the backend that is made for this purpose: see `AsyncLogBackend.standard`.
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
    ///   - label: the logger's name in the log: a child of the backend's logger. Directives speak of it by this name.
    ///   - backend: where records go.
    ///   - metadataProvider: adds metadata to each record.
    public init(label: String, backend: AsyncLogBackend, metadataProvider: Logging.Logger.MetadataProvider? = LoggingSystem.metadataProvider) {
        self.backend = backend
        logger = label.isEmpty ? backend.logger : backend.logger[label]
        self.metadataProvider = metadataProvider
    }

    // MARK: LogHandler

    /// The threshold of this copy. Until it is set it is what the backend says for the label, at any moment; from then on the backend has no say in it.
    ///
    /// swift-log knows no level above critical: where the backend's level is `off`, this is `critical`, and nothing is logged all the same.
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

    /// What came before `log(event:)`, for those who call it themselves.
    @available(*, deprecated, renamed: "log(event:)")
    public func log(
        level: Logging.Logger.Level, message: Logging.Logger.Message, metadata: Logging.Logger.Metadata?, source: String, file: String,
        function: String, line: UInt
    ) {
        log(
            event: LogEvent(
                level: level, message: message, metadata: metadata, source: source, file: file, function: function, line: line))
    }

    // MARK: An event

    private func submit(_ event: borrowing LogEvent, _ level: AsyncLog.Level, at site: CallSite) {
        // Taken out one by one, lest the closure copy the event.
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
        return constant.fields ?? constant.keep(logger.encode { MetadataEncoder(privacy: backend.privacy).encode(metadata, to: &$0) })
    }

    /// Only what is read by somebody is taken from the event: its `source` is made when it is asked for.
    private func withCallSite(_ event: borrowing LogEvent, _ parts: CallSite.Parts, _ body: (CallSite) -> Void) {
        var file = parts.isDisjoint(with: [.file, .module]) ? "" : event.file
        var function = parts.contains(.function) ? event.function : ""
        var source = parts.contains(.module) ? event.source : ""
        file.withUTF8 { file in
            function.withUTF8 { function in
                source.withUTF8 { body(CallSite(file: Text(file), function: Text(function), line: event.line, module: Text($0))) }
            }
        }
    }
}

/// The encoded form of a handler's metadata, shared by its copies until one of them changes it.
///
/// Not the standard library's `AtomicLazyReference`, whose `load` is not inlined and costs as much as the encoding of three fields.
private final class ConstantMetadata: Sendable {
    /// Nil until somebody has logged; then it stays. Owned.
    private let encoded = Atomic<Unmanaged<BoundFields>?>(nil)

    deinit { encoded.load(ordering: .acquiring)?.release() }

    @inline(__always)
    var fields: BoundFields? { encoded.load(ordering: .acquiring)?.takeUnretainedValue() }

    /// Keeps the fields, unless somebody else has been faster. Returns those that are kept.
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
