// Metrics from logs: how many records there are, by level and logger, and the distribution of the numbers in them.
import AsyncLog
import Metrics

/// A handler that counts records and collects numbers from their fields, for swift-metrics.
///
///     let logger = Logger("api", handlers: [output, MetricsHandler(histograms: ["ms": "request_milliseconds"])])
///     logger.info("served", ["path": path, "ms": elapsed])
///
/// | metric | kind | dimensions |
/// |---|---|---|
/// | `log_records` | counter | `level`, `logger` |
/// | the names in `histograms` | recorder; timer, if the field is a `Duration` | `logger` |
///
/// Metrics of a record are taken on the event loop's thread: the swift-metrics backend must not block it.
///
/// Unchecked like its superclass: loop thread only.
public final class MetricsHandler: Handler, @unchecked Sendable {
    private let prefix: String
    private let histograms: [(field: String, label: String)]
    private let maximumNames: Int
    private let chosenFactory: (any MetricsFactory)?
    private lazy var factory = chosenFactory ?? MetricsSystem.factory
    private var series: [String: Series] = [:]
    /// The series of the record before, most probably that of the next one.
    private var latest: Series?

    /// - Parameters:
    ///   - histograms: the fields whose numbers are collected, and the names of the metrics: `["ms":
    ///     "request_milliseconds"]`.
    ///   - prefix: the prefix of the names of this library's own metrics.
    ///   - levels: records of other levels are ignored.
    ///   - maximumNames: loggers beyond this number of names are counted together, as `other`: a program that makes a
    ///     logger for each request must not make a metric for each.
    ///   - factory: the metrics factory; by default the one of `MetricsSystem.bootstrap` at the time of the first
    ///     record.
    public init(
        histograms: [String: String] = [:], prefix: String = "log",
        levels: ClosedRange<AsyncLog.Level> = .trace ... .critical,
        maximumNames: Int = 1000, factory: (any MetricsFactory)? = nil
    ) {
        self.prefix = prefix
        self.histograms = histograms.map { (field: $0, label: $1) }.sorted { $0.field < $1.field }
        self.maximumNames = maximumNames
        chosenFactory = factory
        super.init(levels: levels)
    }

    override public var callSiteParts: CallSite.Parts { [] }

    override public func handle(_ record: borrowing Record) {
        let series = series(of: record.logger)
        series.count(record.level)
        for histogram in histograms {
            if let value = record.value(histogram.field) { series.collect(value, histogram.label) }
        }
    }

    private func series(of name: Text) -> Series {
        if let latest, latest.isFor(name) { return latest }
        var key = String(name)
        if series[key] == nil, series.count >= maximumNames { key = "other" }
        let found = series[key] ?? Series(key, prefix, factory)
        series[key] = found
        latest = found
        return found
    }
}

/// The metrics of one logger.
private final class Series {
    private let name: String
    private let prefix: String
    private let factory: any MetricsFactory
    private var counters: [Counter?] = Array(repeating: nil, count: AsyncLog.Level.allCases.count)
    private var recorders: [String: Recorder] = [:]
    private var timers: [String: Timer] = [:]

    init(_ name: String, _ prefix: String, _ factory: any MetricsFactory) {
        self.name = name
        self.prefix = prefix
        self.factory = factory
    }

    func isFor(_ name: Text) -> Bool { name == self.name }

    func count(_ level: AsyncLog.Level) {
        let index = Int(level.rawValue)
        if counters[index] == nil {
            counters[index] = Counter(
                label: "\(prefix)_records", dimensions: [("level", "\(level.name)"), ("logger", name)], factory: factory
            )
        }
        counters[index]!.increment()
    }

    /// Ignores values that are not numbers.
    func collect(_ value: FieldValue, _ label: String) {
        switch value {
        case .int(let number): recorder(label).record(number)
        case .uint(let number): recorder(label).record(Double(number))
        case .double(let number): if number.isFinite { recorder(label).record(number) }
        case .float(let number): if number.isFinite { recorder(label).record(Double(number)) }
        case .duration(let nanoseconds): timer(label).recordNanoseconds(nanoseconds)
        case .null, .bool, .text, .date, .bytes, .array, .object, .error: break
        }
    }

    private func recorder(_ label: String) -> Recorder {
        if let recorder = recorders[label] { return recorder }
        let recorder = Recorder(label: label, dimensions: [("logger", name)], aggregate: true, factory: factory)
        recorders[label] = recorder
        return recorder
    }

    private func timer(_ label: String) -> Timer {
        if let timer = timers[label] { return timer }
        let timer = Timer(label: label, dimensions: [("logger", name)], factory: factory)
        timers[label] = timer
        return timer
    }
}
