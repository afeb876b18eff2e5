// When buffered output is written: a state machine that makes no system call.
//
//     idle ── appended ──► gathering ── turn ended ──► queued ── granted ──► writing ──► idle
//                                                                 ▲  │ would block ──► blocked ──┐
//                                                                 │  │ regular file ──► offloaded │
//                                                                 └──┴───────────────────────────┘
//     any write that fails ──► failing ── retry is due ──► queued
//     the destination forbids to write ──► paused ── resumed ──► queued
import EventLoop
import SystemPackage

/// Pure: each function returns what its caller must do next.
struct BatchWriterState {
    private enum Phase: Equatable {
        case idle
        /// Bytes are there; they go out when the turn ends.
        case gathering(turns: Int)
        /// Waits for the descriptor's other writers.
        case queued
        case writing
        case blocked
        case offloaded
        /// Pauses before it tries again.
        case failing
        /// The destination cannot take bytes now: it rotates a file, or has no connection. `resumed` ends it.
        case paused
    }

    enum Action: Equatable {
        case none
        /// Call `turnEnded` at the end of this turn.
        case awaitTurnEnd
        /// Take the descriptor's turn to write, call `granted`.
        case enter
        /// Write, and report with `wrote`, `wouldBlock`, `failed` or `offloaded`.
        case write
        /// Call `isWritable` when the descriptor is.
        case awaitReadiness
        /// Give the descriptor's turn away, call `hasLeft`.
        case leave
        /// Call `retryIsDue` after the pause.
        case retry(after: Duration)
    }

    /// While jobs are ready more is likely to come, and a fuller `writev` is cheaper by the byte. But not for longer
    /// than this many turns (about 2 ms).
    private static let gatheringLimit = 16
    private static let firstPause = Duration.milliseconds(100)
    private static let longestPause = Duration.seconds(10)

    private var phase = Phase.idle
    private var retryPause = firstPause
    private var isEnding = false
    /// Why the last write failed, until one succeeds.
    private(set) var failure: IOError?
    /// The descriptor will not take the pending bytes: the end of the loop need not wait for it.
    private(set) var hasGivenUp = false

    var isOffloaded: Bool { phase == .offloaded }
    var isPaused: Bool { phase == .paused }

    mutating func appended(isMuch: Bool) -> Action {
        switch phase {
        case .idle where !isMuch:
            phase = .gathering(turns: 0)
            return .awaitTurnEnd
        case .idle, .gathering:
            guard isMuch else { return .none }
            phase = .queued
            return .enter
        case .queued, .writing, .blocked, .offloaded, .failing, .paused: return .none
        }
    }

    mutating func turnEnded(moreToCome: Bool) -> Action {
        guard case .gathering(let turns) = phase else { return .none }
        if moreToCome, turns < Self.gatheringLimit {
            phase = .gathering(turns: turns + 1)
            return .awaitTurnEnd
        }
        phase = .queued
        return .enter
    }

    /// A task waits for the bytes.
    mutating func hurry() -> Action {
        switch phase {
        case .idle, .gathering, .failing:
            phase = .queued
            return .enter
        case .queued, .writing, .blocked, .offloaded, .paused: return .none
        }
    }

    /// Nothing is written from now on. False: a write is under way, and the destination is asked before the next one.
    mutating func pause() -> Bool {
        switch phase {
        case .idle, .gathering, .failing, .paused:
            phase = .paused
            return true
        case .queued, .writing, .blocked, .offloaded: return false
        }
    }

    /// The destination forbids the next write. The caller must release the descriptor's turn.
    mutating func forbidden() { phase = .paused }

    mutating func resumed(isEmpty: Bool) -> Action {
        guard phase == .paused else { return .none }
        phase = isEmpty ? .idle : .queued
        return isEmpty ? .none : .enter
    }

    /// No connection can be made, or no file be opened. Returns true if this is the first failure since the last
    /// success.
    mutating func failedBeforehand(_ error: IOError) -> Bool {
        defer { failure = error }
        if isEnding { hasGivenUp = true }
        return failure == nil
    }

    /// There is a descriptor to write to again. Returns true if there was none before.
    mutating func recovered() -> Bool {
        defer { failure = nil }
        retryPause = Self.firstPause
        return failure != nil
    }

    mutating func granted() -> Action {
        phase = .writing
        return .write
    }

    mutating func wrote(isTurnOver: Bool) -> (Action, hasRecovered: Bool) {
        let hasRecovered = failure != nil
        failure = nil
        retryPause = Self.firstPause
        phase = .writing
        return (isTurnOver ? .leave : .write, hasRecovered)
    }

    mutating func wouldBlock() -> Action {
        phase = .blocked
        return .awaitReadiness
    }

    mutating func offloaded() -> Action {
        phase = .offloaded
        return .none
    }

    mutating func isWritable() -> Action {
        guard phase == .blocked else { return .none }
        phase = .writing
        return .write
    }

    mutating func hasLeft(isEmpty: Bool, isMuch: Bool) -> Action {
        phase = .idle
        return isEmpty ? .none : appended(isMuch: isMuch || isEnding)
    }

    /// The caller must release the descriptor's turn, too.
    mutating func failed(_ error: IOError) -> (Action, isNews: Bool) {
        let isNews = failure == nil
        failure = error
        phase = .failing
        // A number that is closed now may later belong to another file.
        if isEnding || error.code == .badDescriptor {
            hasGivenUp = true
            return (.none, isNews)
        }
        defer { retryPause = min(retryPause * 2, Self.longestPause) }
        return (.retry(after: retryPause), isNews)
    }

    mutating func retryIsDue() -> Action {
        guard phase == .failing, !hasGivenUp else { return .none }
        phase = .queued
        return .enter
    }

    /// The loop ends: what gathers or pauses goes out now, and a failure is final. `willRecover`: the destination
    /// resumes a paused writer.
    mutating func settle(willRecover: Bool) -> Action {
        isEnding = true
        if phase == .paused, failure != nil, !willRecover { hasGivenUp = true }
        if hasGivenUp { return .none }
        return phase == .idle ? .none : hurry()
    }

    /// The loop ends, and leaves what is pending to the next thread that turns it: a failure is not final any more.
    mutating func goOn() { isEnding = false }

    /// The loop has waited long enough for the pending bytes. If it runs again, everything starts anew. Returns true if
    /// the caller must release the descriptor's turn.
    mutating func giveUp() -> Bool {
        defer { phase = phase == .paused ? .paused : hasGivenUp ? .failing : .idle }
        isEnding = false
        hasGivenUp = failure?.code == .badDescriptor
        switch phase {
        case .writing, .blocked, .offloaded: return true
        case .idle, .gathering, .queued, .failing, .paused: return false
        }
    }
}
