// Fewer records of the same kind: every n-th, once, a share, so many a second, no repetitions. Counted for each place in the source.
//
// What is suppressed is never silent: the next record from that place that goes on has a field `suppressed` with the count, and where no
// next record comes for a while (a limit, a repetition) or the logger shuts down, a record of its own says it.
import EventLoop

extension Logger {
    /// Of the records of each call site only the first, the (n+1)th, the (2n+1)th, … go on.
    ///
    ///     logger.every(100).debug("packet \(number)")
    ///
    /// Keep the logger that this returns: the counters are its own.
    public func every(_ n: Int) -> Logger {
        precondition(n > 0, "every \(n)th record: n is at least 1")
        return with(Gate(.every(n), core.tree.pipeline))
    }

    /// Of the records of each call site only the first goes on. Keep the logger that this returns.
    public var once: Logger { with(Gate(.every(.max), core.tree.pipeline)) }

    /// Each record goes on with this probability. Keep the logger that this returns.
    public func sampled(_ probability: Double) -> Logger {
        precondition((0...1).contains(probability), "a probability of \(probability): it is from 0 to 1")
        return with(Gate(.sampled(probability), core.tree.pipeline))
    }

    /// Of the records of each call site at most `count` go on in each span of this length. Keep the logger that this returns.
    public func limited(to count: Int, per span: Duration) -> Logger {
        precondition(count > 0 && span > .zero, "at most \(count) records per \(span): both are positive")
        return with(Gate(.limited(count, span.wholeNanoseconds), core.tree.pipeline))
    }

    /// A record that says the same as the last one from its call site, within this time, does not go on. Keep the logger that this returns.
    public func deduplicated(within span: Duration) -> Logger {
        precondition(span > .zero, "no repetitions within \(span): it is positive")
        return with(Gate(.deduplicated(span.wholeNanoseconds), core.tree.pipeline))
    }

    private func with(_ gate: Gate) -> Logger {
        var logger = self
        logger.gate = gate
        return logger
    }
}

/// Decides for each call site which records go on.
///
/// Unchecked because everything that changes is touched on the loop's thread only: records of other threads are judged when they arrive there.
final class Gate: @unchecked Sendable {
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

    /// Names of files that are not part of the program: copies, which stay where they are.
    private var files: [String: UnsafeBufferPointer<UInt8>] = [:]

    private struct State {
        let core: LoggerCore
        let callSite: CallSite
        var level = Level.info
        var seen = 0
        var windowStart = Int64.min
        var lastHash = 0
        var suppressed: UInt64 = 0
        var reportIsSet = false
    }

    private let policy: Policy
    private unowned(unsafe) let pipeline: Pipeline
    private var sites: [Site: State] = [:]
    private var isKnown = false
    /// What `mayPass` has decided on the loop's thread about the record that is being made.
    private var verdict: UInt64?
    /// xorshift (G. Marsaglia, "Xorshift RNGs", 2003): the choice need not be a secret.
    private var random: UInt64 = .random(in: 1 ... .max)

    init(_ policy: Policy, _ pipeline: Pipeline) {
        self.policy = policy
        self.pipeline = pipeline
    }

    deinit { for file in files.values { file.deallocate() } }

    /// Before the record is made. On the loop's thread what can be decided without the record is; elsewhere it is all for later.
    func mayPass(_ site: CallSite, _ core: LoggerCore) -> Bool {
        if case .deduplicated = policy { return true }
        guard pipeline.loop.isCurrent else { return true }
        verdict = judge(site, core, 0, core.tree.clock.now)
        return verdict != nil
    }

    /// The record that was decided on is not wanted for other reasons. Loop thread.
    func forget() { verdict = nil }

    /// Whether the record goes on, and how many were suppressed before it. Loop thread.
    func judge(_ record: borrowing Record) -> UInt64? {
        if let verdict = verdict.take() { return verdict }
        let core = record.core._withUnsafeGuaranteedRef { $0 }
        guard let verdict = judge(record.callSite, core, record.contentHash, record.time.nanoseconds) else {
            let site = Gate.site(settled(record.callSite), core)
            sites[site]!.level = record.level
            return nil
        }
        return verdict
    }

    /// The same place, whose file is at the same address each time it is asked for.
    private func settled(_ site: CallSite) -> CallSite {
        guard !site.isStatic else { return site }
        let name = String(site.file)
        let none = Text("")
        if let file = files[name] { return CallSite(file: Text(file), function: none, line: UInt(site.line), module: none) }
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: site.file.bytes.count)
        _ = copy.initialize(from: site.file.bytes)
        files[name] = UnsafeBufferPointer(copy)
        return CallSite(file: Text(UnsafeBufferPointer(copy)), function: none, line: UInt(site.line), module: none)
    }

    private static func site(_ site: CallSite, _ core: LoggerCore) -> Site {
        Site(core: ObjectIdentifier(core), file: UInt(bitPattern: site.file.bytes.baseAddress), line: site.line)
    }

    private func judge(_ callSite: CallSite, _ core: LoggerCore, _ hash: Int, _ now: Int64) -> UInt64? {
        let callSite = settled(callSite)
        let site = Gate.site(callSite, core)
        var state = sites[site] ?? State(core: core, callSite: callSite)
        defer { sites[site] = state }
        if passes(&state, hash, now) {
            defer { state.suppressed = 0 }
            return state.suppressed
        }
        state.suppressed += 1
        if !isKnown {
            isKnown = true
            pipeline.gates.append(self)
        }
        if !state.reportIsSet, let span = policy.span {
            state.reportIsSet = true
            pipeline.loop.after(.nanoseconds(span)) { [self] in
                sites[site]!.reportIsSet = false
                report(site)
            }
        }
        return nil
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
            if state.windowStart == .min || now &- state.windowStart >= span || now < state.windowStart {
                state.windowStart = now
                state.seen = 0
            }
            state.seen += 1
            return state.seen <= count
        case .deduplicated(let span):
            let isSame = state.windowStart != .min && state.lastHash == hash && now &- state.windowStart < span && now >= state.windowStart
            if !isSame {
                state.windowStart = now
                state.lastHash = hash
            }
            return !isSame
        }
    }

    // MARK: Saying it

    /// Says what no later record has said. Loop thread.
    func reportAll() { for site in sites.keys { report(site) } }

    private func report(_ site: Site) {
        guard let state = sites[site], state.suppressed > 0 else { return }
        sites[site]!.suppressed = 0
        pipeline.say(
            "\(state.suppressed) records suppressed from \(state.callSite.file):\(state.callSite.line)", state.level, state.core, state.callSite
        ) {
            $0["suppressed"] = state.suppressed
        }
    }
}

extension Gate.Policy {
    /// After this time without another record a report says what was suppressed.
    fileprivate var span: Int64? {
        switch self {
        case .every, .sampled: nil
        case .limited(_, let span), .deduplicated(let span): span
        }
    }
}

extension Record {
    /// Equal for records that say the same (and, by bad luck, for a few that do not).
    fileprivate var contentHash: Int {
        var hasher = Hasher()
        hasher.combine(level)
        hasher.combine(bytes: UnsafeRawBufferPointer(message.bytes))
        hasher.combine(bytes: UnsafeRawBufferPointer(start: fields.start, count: fields.byteCount))
        return hasher.finalize()
    }
}
