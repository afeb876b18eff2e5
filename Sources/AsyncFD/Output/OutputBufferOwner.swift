// Whom an output buffer asks and tells: its owner, which speaks for it, and a gate, where the place that it leads to changes.

/// Who owns the buffer, and speaks for it.
package protocol OutputBufferOwner: AnyObject {
    /// There is room again after records were dropped since the last report: the moment to say so in the output itself.
    func reportDrops(_ drops: DropSummary)
    /// The last word at the end of the loop. Records were dropped that nobody has been told of.
    func reportAtEnd(_ drops: DropSummary, because error: IOError?)
    /// Records are being refused because of `error`, which nobody has been told of.
    func reportFailure(_ error: IOError, dropped count: UInt64)
    func reportRecovery()
    /// The loop of the buffer has ended, with everything in it settled.
    func bufferReleased()
    /// Asked before each write: how many of the `count` bytes that pend may be written with it? If 0, nothing is written until `Outlet.resume`.
    func bufferMayWrite(_ count: Int) -> Int
    /// The descriptor, or what leads to it, does not work; told at once, once until `bufferRecovered`.
    func bufferFailed(_ error: IOError)
    func bufferRecovered()
    /// A write has failed, be it the first or not. Where the outlet leads may be changed soon, but not from within this call.
    func bufferWriteFailed(_ error: IOError)
    /// Does the owner see to it that the outlet, if it is held, is resumed or fails before long? `isEnding`: it is the last chance.
    func bufferIsSeenTo(isEnding: Bool) -> Bool
    /// The loop sees to the buffer from now on, until `bufferReleased`.
    func bufferAttached()
    /// A record has been dropped because it is larger than the network takes.
    func bufferSkipped(_ error: IOError)
}

extension OutputBufferOwner {
    package func bufferReleased() {}
    package func bufferMayWrite(_ count: Int) -> Int { count }
    package func bufferFailed(_ error: IOError) {}
    package func bufferRecovered() {}
    package func bufferWriteFailed(_ error: IOError) {}
    package func bufferIsSeenTo(isEnding: Bool) -> Bool { false }
    package func bufferAttached() {}
    package func bufferSkipped(_ error: IOError) {}
}

/// What stands between a buffer and its place where the place changes: a file that is rotated. The buffer keeps it, so it is there as long as something
/// pends, whatever has become of the buffer's owner.
package protocol OutputGate: AnyObject {
    /// Asked before each write instead of the owner: see `OutputBufferOwner.bufferMayWrite`.
    func mayWrite(_ count: Int) -> Int
    /// So many bytes have been written just now.
    func wrote(_ count: Int)
    /// A record of `size` bytes has been dropped that stood behind the oldest `kept` bytes.
    func discarded(_ size: Int, behind kept: Int)
    /// See `OutputBufferOwner.bufferFailed`, of which the owner is told as well.
    func failed(_ error: IOError)
    /// The file has been removed, and what was being written with it. True: the gate opens another one, and has the outlet resume.
    func lostFile() -> Bool
    /// The buffer's loop has ended.
    func released()
}
