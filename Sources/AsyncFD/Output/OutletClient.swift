// Whom an outlet asks and tells: the one above, who knows what the bytes are.

/// Who uses an outlet and is told what becomes of the bytes. Loop thread.
package protocol OutletClient: AnyObject {
    /// The oldest `count` bytes are in the kernel.
    func outletWrote(_ count: Int)
    /// The descriptor takes nothing now. What pends is kept, and tried again with growing pauses.
    func outletFailed(_ error: IOError)
    /// It takes bytes again.
    func outletRecovered()
    /// The loop ends; `count` bytes could not be written and are gone. `error` is nil if the descriptor merely took nothing in time.
    func outletAbandoned(_ count: Int, because error: IOError?)
    /// The loop ends, and all is said and done: the moment for a last word.
    func outletConcluded()
    /// The loop has ended and forgets the outlet; whoever keeps it only for the loop's sake lets go of it.
    func outletReleased()
    /// Asked before each write: how many of the `count` bytes may be written with it? If 0, nothing is written until `Outlet.resume`.
    func outletMayWrite(_ count: Int) -> Int
    /// A write has failed, be it the first or not. Where the outlet leads may be changed soon, but not from within this call.
    func outletWriteFailed(_ error: IOError)
    /// Does somebody see to it that the outlet, if it is held, is resumed or fails before long? `isEnding`: it is the last chance.
    func outletIsSeenTo(isEnding: Bool) -> Bool

    /// The file that the bytes went to has been removed; what was to be written with the last write counts as not written. If the client sees to another
    /// file, it returns how many of the oldest bytes are given up, because they are the rest of a record that was begun in the lost one; the outlet is held
    /// until `resume`. Nil: that is a failure like others.
    func outletLostFile() -> Int?

    // For outlets that do not tear records (`Outlet.Delivery`).

    /// How many of the oldest `count` bytes are whole records.
    func outletWholeRecords(_ count: Int) -> Int
    /// The length of the n-th of the records that pend; nil if there are no more.
    func outletRecordLength(_ index: Int) -> Int?
    /// The oldest record is larger than the network takes, and goes away. Returns its length.
    func outletSkips(_ error: IOError) -> Int
}

extension OutletClient {
    package func outletReleased() {}
    package func outletMayWrite(_ count: Int) -> Int { count }
    package func outletWriteFailed(_ error: IOError) {}
    package func outletIsSeenTo(isEnding: Bool) -> Bool { false }
    package func outletLostFile() -> Int? { nil }
    package func outletWholeRecords(_ count: Int) -> Int { count }
    package func outletRecordLength(_ index: Int) -> Int? { nil }
    package func outletSkips(_ error: IOError) -> Int { 0 }
}
