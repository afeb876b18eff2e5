// The charge for memory that records keep alive besides their own bytes: the fields of their logger and of their scope,
// which many records share. Towards a bound they count once, as long as any record within that bound keeps them.
import Synchronization

/// The account that is charged for something that records of many threads share. Any thread.
///
/// One account at a time can be charged once for all its records. If another account comes meanwhile (records of one
/// scope go to loggers on two loops), each of its records is charged in full: too much rather than too little.
struct SharedCharge: ~Copyable {
    /// The account in the upper half, and how many of its records share the charge in the lower one.
    private let word = Atomic<UInt64>(0)

    enum Claim {
        /// The account has been charged already; nothing is added.
        case shared
        /// The account is charged now, and gets the charge back when the last record has gone.
        case first
        /// The account is charged for this record alone.
        case alone
    }

    func claim(by account: UInt32) -> Claim {
        var old = word.load(ordering: .relaxed)
        while true {
            let count = old & 0xFFFF_FFFF
            guard count == 0 || UInt32(old >> 32) == account else { return .alone }
            let (isDone, found) = word.weakCompareExchange(
                expected: old, desired: UInt64(account) << 32 | (count + 1), ordering: .relaxed)
            if isDone { return count == 0 ? .first : .shared }
            old = found
        }
    }

    /// Releases one record's claim. True: it was the last one, and the account gets the charge back.
    func release() -> Bool { word.subtract(1, ordering: .relaxed).newValue & 0xFFFF_FFFF == 0 }

    /// True if a claim would be `shared`; another thread may change it meanwhile.
    func isCharged(to account: UInt32) -> Bool {
        let word = word.load(ordering: .relaxed)
        return word & 0xFFFF_FFFF != 0 && UInt32(word >> 32) == account
    }
}
