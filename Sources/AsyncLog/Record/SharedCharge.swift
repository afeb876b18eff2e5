// What records keep alive besides their own bytes: the fields of their logger and of their scope, which many of them have in common. Towards a bound they
// count as long as any record within that bound keeps them, and once.
import Synchronization

/// Which account is charged for something that records of many threads share. Any thread.
///
/// One account at a time can have it for once. Should another one come meanwhile (a scope whose records go to loggers on two loops), each of its records is
/// charged in full: too much rather than too little.
struct SharedCharge: ~Copyable {
    /// The account in the upper half, and how many of its records share the charge in the lower one.
    private let word = Atomic<UInt64>(0)

    enum Claim {
        /// The account has been charged for others; nothing is to be added.
        case shared
        /// The account is to be charged, and will be given it back when the last record has gone.
        case first
        /// The account is to be charged for this record alone.
        case alone
    }

    func claim(by account: UInt32) -> Claim {
        var old = word.load(ordering: .relaxed)
        while true {
            let count = old & 0xFFFF_FFFF
            guard count == 0 || UInt32(old >> 32) == account else { return .alone }
            let (isDone, found) = word.weakCompareExchange(expected: old, desired: UInt64(account) << 32 | (count + 1), ordering: .relaxed)
            if isDone { return count == 0 ? .first : .shared }
            old = found
        }
    }

    /// One record that claimed has gone. True: it was the last one, and the account is given back what it was charged.
    func release() -> Bool { word.subtract(1, ordering: .relaxed).newValue & 0xFFFF_FFFF == 0 }

    /// True if a claim would be `shared`, as far as one can tell.
    func isCharged(to account: UInt32) -> Bool {
        let word = word.load(ordering: .relaxed)
        return word & 0xFFFF_FFFF != 0 && UInt32(word >> 32) == account
    }
}
