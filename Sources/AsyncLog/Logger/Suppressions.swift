// What was suppressed and has not been said yet: where it is found when the logger shuts down, and what becomes of it when those who counted it go.
import EventLoop

/// Records of one place in the source that were suppressed.
struct Suppression: Sendable {
    let core: LoggerCore
    let level: Level
    var count: UInt64
    /// Where, if that is part of the program: then its texts are there for good.
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

    /// What is counted together.
    struct Place: Hashable {
        let core: ObjectIdentifier
        let file: String
        let line: UInt32
    }

    var place: Place { Place(core: ObjectIdentifier(core), file: file, line: line) }

    func say() {
        if let callSite { return core.pipeline.saySuppressed(count, level, core, callSite) }
        var file = file
        file.withUTF8 { file in
            let none = Text("")
            core.pipeline.saySuppressed(
                count, level, core, CallSite(file: Text(file), function: none, line: UInt(line), module: none))
        }
    }
}

/// Loop thread only.
struct Suppressions {
    private struct WeakGate { weak var gate: Gate? }
    /// Those that have suppressed something, once they have.
    private var gates: [UInt64: WeakGate] = [:]
    private var lastTicket: UInt64 = 0
    /// What gates have left that have gone.
    private var left: [Suppression.Place: Suppression] = [:]

    /// Returns what `remove` needs.
    mutating func add(_ gate: Gate) -> UInt64 {
        lastTicket += 1
        gates[lastTicket] = WeakGate(gate: gate)
        return lastTicket
    }

    /// The gate goes.
    mutating func remove(_ ticket: UInt64) { gates[ticket] = nil }

    /// True if it is the first.
    mutating func add(_ suppressions: [Suppression]) -> Bool {
        let isFirst = left.isEmpty
        for suppression in suppressions { left[suppression.place, default: suppression.none].count += suppression.count }
        return isFirst && !left.isEmpty
    }

    mutating func takeLeft() -> [Suppression] {
        defer { left = [:] }
        return Array(left.values)
    }

    var all: [Gate] { gates.values.compactMap(\.gate) }
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
    func saySuppressed(_ count: UInt64, _ level: Level, _ core: LoggerCore, _ site: CallSite) {
        say("\(count) records suppressed from \(site.file):\(site.line)", level, core, site) { $0["suppressed"] = count }
    }

    /// Says it as soon as the loop comes to it: whoever lets go of a logger is not in the middle of something that a handler could disturb then.
    func sayLater(_ suppressions: [Suppression]) {
        guard self.suppressions.add(suppressions) else { return }
        loop.soon { [self] in
            for suppression in self.suppressions.takeLeft() { suppression.say() }
        }
    }

    /// Says all that was suppressed and has not been said.
    func sayAllSuppressed() {
        for gate in suppressions.all { gate.reportAll() }
        for suppression in suppressions.takeLeft() { suppression.say() }
    }
}
