// A seam for tests: the n-th system call of a thread, and of the work that it hands to other threads, fails with an
// outcome that the test chooses.
//
// A test runs an operation with n = 1, 2, 3, … until it succeeds because there is no n-th call. So every system call of
// the operation has failed once. Debug builds only.
#if DEBUG
import CAsyncFD
import EventLoop
import Synchronization
import SystemPackage

package final class Faults: Sendable {
    package enum Fault: Sendable, Equatable {
        /// The call is not made, and fails with this. The library repeats the call after `EINTR`.
        case errno(Errno)
        /// The call moves one byte.
        case short
        /// The call is not made, and says that it would block.
        case wouldBlock

        var errno: Errno? {
            switch self {
            case .errno(let errno): errno
            case .wouldBlock: .resourceTemporarilyUnavailable
            case .short: nil
            }
        }

        /// Nil: the call is made after all.
        var outcome: IOOutcome? {
            switch self {
            case .wouldBlock: .wouldBlock
            case .errno(let errno): errno == .interrupted ? nil : .failed(errno)
            case .short: nil
            }
        }
    }

    private let fault: Fault?
    private let body: (@Sendable () -> Void)?
    private let left: Atomic<Int>
    private let isArmed = Atomic(true)
    private let openCount = Atomic(0)

    /// The `number`-th call from now on has the outcome `fault`, once.
    package init(_ fault: Fault, at number: Int) {
        self.fault = fault
        body = nil
        left = Atomic(number)
    }

    /// `body` runs right before the `number`-th call from now on, once, on the thread that makes the call. The call
    /// itself is made.
    package init(before number: Int, _ body: @escaping @Sendable () -> Void) {
        fault = nil
        self.body = body
        left = Atomic(number)
    }

    /// Whether there was such a call.
    package var hasStruck: Bool { left.load(ordering: .relaxed) <= 0 }

    /// No call fails from now on.
    package func disarm() { isArmed.store(false, ordering: .relaxed) }

    /// How many descriptors were made and have not been closed.
    package var openDescriptors: Int { openCount.load(ordering: .relaxed) }

    /// The calls of the calling thread are counted from now on; nil ends it. The caller keeps the object alive.
    package static func install(_ faults: Faults?) {
        cfd_set_current_faults(faults.map { Unmanaged.passUnretained($0).toOpaque() })
    }

    static var current: Faults? { cfd_current_faults().map { Unmanaged<Faults>.fromOpaque($0).takeUnretainedValue() } }

    static func strike() -> Fault? {
        guard let faults = current, faults.isArmed.load(ordering: .relaxed) else { return nil }
        guard faults.left.subtract(1, ordering: .relaxed).newValue == 0 else { return nil }
        faults.body?()
        return faults.fault
    }

    static func countDescriptors(_ difference: Int) { current?.openCount.add(difference, ordering: .relaxed) }
}
#endif
