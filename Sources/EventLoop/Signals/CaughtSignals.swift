// Which signals this process catches, and for how many users, so that the last user restores the former disposition.
import CEventLoop
import Glibc
import SystemPackage

/// Signals whose handler is ours until `giveBack`. Any thread.
struct CaughtSignals: Sendable {
    private let signals: [EventLoop.Signal]
    private let wakeup: CInt
    private let isStop: Bool
    /// How often each had been caught before.
    let counts: [(signal: EventLoop.Signal, seen: UInt32)]

    /// How many wait for each signal, in the whole process.
    private static let users = Locked<[EventLoop.Signal: Int]>([:])

    /// - Parameter isStop: the loop handles the first of them; the second kills the process. Ignored signals stay
    ///   ignored.
    init(_ signals: Set<EventLoop.Signal>, on loop: EventLoop, isStop: Bool = false) throws(EventLoopError) {
        guard signals.allSatisfy(\.canBeCaught) else {
            throw EventLoopError(operation: "sigaction", errno: .invalidArgument)
        }
        let wanted = signals.filter { !(isStop && cel_signal_is_ignored($0.rawValue)) }.sorted {
            $0.rawValue < $1.rawValue
        }
        self.signals = wanted
        self.isStop = isStop
        counts = wanted.map { ($0, cel_signal_count($0.rawValue)) }
        wakeup = loop.poller.wakeupDescriptor
        guard cel_signal_wake(wakeup) else { throw EventLoopError(operation: "sigaction", errno: .noMemory) }
        CaughtSignals.users.withLock { users in
            for signal in wanted {
                if users[signal, default: 0] == 0 { cel_signal_catch(signal.rawValue) }
                users[signal, default: 0] += 1
                if isStop { cel_signal_stop(signal.rawValue, true) }
            }
        }
    }

    /// Once.
    func giveBack() {
        CaughtSignals.users.withLock { users in
            for signal in signals {
                users[signal, default: 0] -= 1
                if isStop { cel_signal_stop(signal.rawValue, false) }
                guard users[signal] == 0 else { continue }
                // A signal that was sent during the subscription must not have the default effect, which kills. A
                // second signal to stop must.
                if !isStop { cel_signal_discard(signal.rawValue) }
                cel_signal_restore(signal.rawValue)
            }
        }
        cel_signal_wake_no_more(wakeup)
    }
}
