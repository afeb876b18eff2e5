// The suppressed records that no report has counted yet: the pipeline finds them here when the logger shuts down, and
// when the sampler that counted them is freed.
import EventLoop

/// The suppressed records of one call site.
struct Suppression: Sendable {
    let core: LoggerCore
    let level: Level
    var count: UInt64
    /// The call site, if it is part of the program: then its texts stay valid.
    private nonisolated(unsafe) let callSite: CallSite?
    private let file: String
    private let line: UInt32

    init(core: LoggerCore, callSite: CallSite, level: Level, count: UInt64) {
        self.core = core
        self.level = level
        self.count = count
        self.callSite = callSite.isStatic ? callSite : nil
        file = String(callSite.file)
        line = callSite.line
    }

    /// The key of records that are counted together.
    struct Place: Hashable {
        let core: ObjectIdentifier
        let file: String
        let line: UInt32
    }

    var place: Place { Place(core: ObjectIdentifier(core), file: file, line: line) }

    func report() {
        if let callSite { return core.pipeline.reportSuppressed(count, level, core, callSite) }
        var file = file
        file.withUTF8 { file in
            let none = Text("")
            core.pipeline.reportSuppressed(
                count, level, core, CallSite(file: Text(file), function: none, line: UInt(line), module: none))
        }
    }
}

/// All of a pipeline. Loop thread only.
struct Suppressions {
    private struct WeakSampler { weak var sampler: Sampler? }
    /// The samplers that have suppressed a record.
    private var samplers: [UInt64: WeakSampler] = [:]
    private var lastTicket: UInt64 = 0
    /// The counts of samplers that have been freed.
    private var left: [Suppression.Place: Suppression] = [:]

    /// Adds a sampler. Returns its ticket for `remove`.
    mutating func add(_ sampler: Sampler) -> UInt64 {
        lastTicket += 1
        samplers[lastTicket] = WeakSampler(sampler: sampler)
        return lastTicket
    }

    /// Removes a sampler that is being freed.
    mutating func remove(_ ticket: UInt64) { samplers[ticket] = nil }

    /// Adds the counts of a sampler that is being freed. Returns true if they are the first.
    mutating func add(_ suppressions: [Suppression]) -> Bool {
        let isFirst = left.isEmpty
        for suppression in suppressions {
            left[suppression.place, default: suppression.none].count += suppression.count
        }
        return isFirst && !left.isEmpty
    }

    mutating func takeLeft() -> [Suppression] {
        defer { left = [:] }
        return Array(left.values)
    }

    var all: [Sampler] { samplers.values.compactMap(\.sampler) }
}

extension Suppression {
    fileprivate var none: Suppression {
        var none = self
        none.count = 0
        return none
    }
}

/// Loop thread.
extension Pipeline {
    func reportSuppressed(_ count: UInt64, _ level: Level, _ core: LoggerCore, _ site: CallSite) {
        report("\(count) records suppressed from \(site.file):\(site.line)", level, core, site) {
            $0["suppressed"] = count
        }
    }

    /// Reports as soon as the loop comes to it: the code that frees a logger may be in the middle of work that a
    /// handler would disturb.
    func reportLater(_ suppressions: [Suppression]) {
        guard self.suppressions.add(suppressions) else { return }
        loop.soon { [self] in
            for suppression in self.suppressions.takeLeft() { suppression.report() }
        }
    }

    /// Reports all suppressed records that no report has counted yet.
    func reportAllSuppressed() {
        for sampler in suppressions.all { sampler.reportAll() }
        for suppression in suppressions.takeLeft() { suppression.report() }
    }
}
