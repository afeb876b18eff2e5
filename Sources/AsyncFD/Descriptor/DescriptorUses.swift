// Calls that use a descriptor's number on other threads than its loop's: on threads of the pool, and on the thread that
// asks for an address.
//
// After close(2), the next open(2) gets the number. So closing first forbids further uses, and closes the number when
// the last use is over.
import EventLoop
import SystemPackage
import Synchronization

/// How many such calls are under way. Any thread.
struct DescriptorUses: ~Copyable, Sendable {
    private static let closed: UInt = 1 << 63
    private let state = Atomic<UInt>(0)

    /// False: the descriptor is closed, and its number must not be used. Else `end` has to follow.
    func begin() -> Bool {
        var seen = state.load(ordering: .relaxed)
        while seen & Self.closed == 0 {
            let (exchanged, original) = state.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .acquiring)
            if exchanged { return true }
            seen = original
        }
        return false
    }

    /// True: the `AsyncFD` has been closed meanwhile, this was the last use, and the number may be closed.
    func end() -> Bool { state.subtract(1, ordering: .acquiringAndReleasing).newValue == Self.closed }

    /// Forbids further uses. True: none is under way, and the number may be closed.
    func close() -> Bool { state.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing).oldValue == 0 }
}

extension AsyncFD {
    /// Makes a call that does not block with the descriptor's number, on whatever thread.
    ///
    /// - Throws: `.closed` after `close`: the number may be another descriptor's by then.
    func withNumber<Value>(_ operation: String, _ call: (CInt) -> Result<Value, Errno>) throws(IOError) -> Value {
        guard uses.begin() else { throw IOError(operation, on: label, .closed) }
        defer { endUse() }
        switch call(descriptor.rawValue) {
        case .success(let value): return value
        case .failure(let errno): throw IOError(operation, on: label, errno)
        }
    }

    /// A use that `uses.begin` has allowed is over.
    func endUse() {
        if uses.end() { loop.performFromDeinit { self.afterUses.take()?() } }
    }
}
