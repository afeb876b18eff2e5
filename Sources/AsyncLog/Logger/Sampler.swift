// Counts the records of each call site for the loggers of Sampling.swift, and reports how many were suppressed.
//
// Its loggers, and their records in flight, keep a sampler alive. When the last of them goes, the sampler hands the
// counts that it has not reported to the pipeline, which reports them at once: one record for each call site, however
// many samplers of that call site have gone.
import EventLoop

/// Decides for each call site which records go on.
///
/// Unchecked because only the loop's thread touches what changes: records of other threads are decided on when they
/// arrive there.
final class Sampler: @unchecked Sendable {
    enum Policy {
        case every(Int)
        case sampled(Double)
        case limited(Int, Int64)
        case deduplicated(Int64)
    }

    private struct Site: Hashable {
        let core: ObjectIdentifier
        let file: UInt
        let line: UInt32
    }

    /// Copies of file names that are not part of the program. A copy keeps its address.
    private var files: [String: UnsafeBufferPointer<UInt8>] = [:]

    fileprivate struct State {
        /// Held, because the report is logged in the name of this logger.
        let core: LoggerCore
        let callSite: CallSite
        var level = Level.info
        var seen = 0
        var windowStart = Int64.min
        var lastHash = 0
        var suppressed: UInt64 = 0
        var report: EventLoop.Timer?
    }

    private let policy: Policy
    private var sites: [Site: State] = [:]
    /// Beyond this number of sites, the sampler forgets those whose state is that of a new site.
    private var sitesLimit = 1024
    /// The pipeline finds the sampler by it, once the sampler has suppressed a record.
    private var ticket: UInt64?
    /// What `mayPass` has decided on the loop's thread about the record that is being built.
    private var verdict: UInt64?
    /// xorshift (G. Marsaglia, "Xorshift RNGs", 2003): the choice need not be unpredictable.
    private var random: UInt64 = .random(in: 1 ... .max)

    init(_ policy: Policy) { self.policy = policy }

    deinit {
        if let ticket, let pipeline = sites.values.first?.core.pipeline {
            let timers = sites.values.compactMap(\.report)
            let unsaid = sites.values.filter { $0.suppressed > 0 }
            let left = unsaid.map {
                Suppression(core: $0.core, callSite: $0.callSite, level: $0.level, count: $0.suppressed)
            }
            pipeline.loop.performFromDeinit {
                for timer in timers { timer.cancel() }
                pipeline.suppressions.remove(ticket)
                pipeline.reportLater(left)
            }
        }
        for file in files.values { file.deallocate() }
    }

    /// Called before the record is built. On the loop's thread it decides if it can without the record; elsewhere
    /// `judge` decides later.
    func mayPass(_ level: Level, _ site: CallSite, _ core: LoggerCore) -> Bool {
        if case .deduplicated = policy { return true }
        guard core.pipeline.loop.isCurrent else { return true }
        verdict = judge(level, site, core, 0, core.clock.now)
        return verdict != nil
    }

    /// Takes the decision back, because the record does not go on for another reason. Loop thread.
    func forget() { verdict = nil }

    /// Returns how many records were suppressed before this one, or nil if this one is suppressed, too. Loop thread.
    func judge(_ record: borrowing Record) -> UInt64? {
        if let verdict = verdict.take() { return verdict }
        let core = record.core._withUnsafeGuaranteedRef { $0 }
        let hash = if case .deduplicated = policy { record.contentHash } else { 0 }
        return judge(record.level, record.callSite, core, hash, record.time.nanoseconds)
    }

    /// The same call site, with a file name that has the same address each time.
    private func settled(_ site: CallSite) -> CallSite {
        guard !site.isStatic else { return site }
        let name = String(site.file)
        let none = Text("")
        if let file = files[name] {
            return CallSite(file: Text(file), function: none, line: UInt(site.line), module: none)
        }
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: site.file.bytes.count)
        _ = copy.initialize(from: site.file.bytes)
        files[name] = UnsafeBufferPointer(copy)
        return CallSite(file: Text(UnsafeBufferPointer(copy)), function: none, line: UInt(site.line), module: none)
    }

    private static func site(_ site: CallSite, _ core: LoggerCore) -> Site {
        Site(core: ObjectIdentifier(core), file: UInt(bitPattern: site.file.bytes.baseAddress), line: site.line)
    }

    private func judge(_ level: Level, _ callSite: CallSite, _ core: LoggerCore, _ hash: Int, _ now: Int64) -> UInt64? {
        let callSite = settled(callSite)
        let site = Sampler.site(callSite, core)
        if sites.count >= sitesLimit, sites[site] == nil { forgetSites(now) }
        var state = sites[site] ?? State(core: core, callSite: callSite)
        defer { sites[site] = state }
        if passes(&state, hash, now) {
            defer { state.suppressed = 0 }
            return state.suppressed
        }
        state.suppressed += 1
        state.level = level
        if ticket == nil { ticket = core.pipeline.suppressions.add(self) }
        if state.report == nil, let span = policy.span {
            state.report = core.pipeline.loop.after(.nanoseconds(span)) { [weak self] in
                self?.sites[site]?.report = nil
                self?.report(site)
            }
        }
        return nil
    }

    /// Bounds the memory of a sampler that many loggers share.
    private func forgetSites(_ now: Int64) {
        let left = sites.filter { !isNew($0.value, now) }
        // At least one site stays, because `deinit` finds the pipeline by it.
        if !left.isEmpty { sites = left }
        sitesLimit = max(1024, sites.count * 2)
    }

    /// True if the state decides as a new one would.
    private func isNew(_ state: State, _ now: Int64) -> Bool {
        guard state.suppressed == 0, state.report == nil else { return false }
        switch policy {
        case .every: return state.seen == 0
        case .sampled: return true
        case .limited(_, let span), .deduplicated(let span): return !state.isWithin(span, now)
        }
    }

    private func passes(_ state: inout State, _ hash: Int, _ now: Int64) -> Bool {
        switch policy {
        case .every(let n):
            defer { state.seen = state.seen == n - 1 ? 0 : state.seen + 1 }
            return state.seen == 0
        case .sampled(let probability):
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Double(random >> 11) * 0x1p-53 < probability
        case .limited(let count, let span):
            if !state.isWithin(span, now) {
                state.windowStart = now
                state.seen = 0
            }
            state.seen += 1
            return state.seen <= count
        case .deduplicated(let span):
            let isSame = state.lastHash == hash && state.isWithin(span, now)
            if !isSame {
                state.windowStart = now
                state.lastHash = hash
            }
            return !isSame
        }
    }

    // MARK: Reports

    /// Reports the counts that no later record has reported. Loop thread.
    func reportAll() { for site in sites.keys { report(site) } }

    private func report(_ site: Site) {
        guard let state = sites[site], state.suppressed > 0 else { return }
        sites[site]!.suppressed = 0
        state.core.pipeline.reportSuppressed(state.suppressed, state.level, state.core, state.callSite)
    }
}

extension Sampler.State {
    /// Whether the window that has begun is still open. A clock that was set back closes it.
    fileprivate func isWithin(_ span: Int64, _ now: Int64) -> Bool {
        windowStart != .min && now >= windowStart && now &- windowStart < span
    }
}

extension Sampler.Policy {
    /// When this time has passed without another record, a report states how many records were suppressed.
    fileprivate var span: Int64? {
        switch self {
        case .every, .sampled: nil
        case .limited(_, let span), .deduplicated(let span): span
        }
    }
}
