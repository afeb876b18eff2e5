// What stands below a batch writer: the place to which its bytes go, if that is more than a descriptor.
//
// A descriptor that was handed in needs none. A log file is a destination, because it is rotated, and a connection is
// one, because it breaks and is made again. A destination is asked and told once per write, never once per record.

/// The place to which a batch writer's bytes go. The writer keeps it from `attach` until `retire` or the loop's end.
///
/// Loop thread only. No function may change the writer's descriptor from within the call.
package protocol Destination: AnyObject {
    /// The loop settles the writer before it ends, until `didRelease`.
    func didAttach()
    /// Asked before each write: how many of the `count` pending bytes may go out with it? 0: the writer pauses until
    /// `resume`.
    func mayWrite(_ count: Int) -> Int
    /// The oldest `count` bytes are in the kernel.
    func didWrite(_ count: Int)
    /// A record of `size` bytes, behind the oldest `kept` bytes, has been dropped.
    func didDiscard(_ size: Int, behind kept: Int)
    /// The oldest record is larger than the network takes, and has been dropped.
    func didSkip(_ error: IOError)
    /// A write has failed. Called for every failure, the first and later ones.
    func didFailToWrite(_ error: IOError)
    /// The descriptor takes nothing now. Called once, until `didRecover`. What is pending is kept, and tried again with
    /// growing pauses.
    func didFail(_ error: IOError)
    /// The descriptor takes bytes again.
    func didRecover()
    /// Whether a paused writer will be resumed, or will fail, before long. `isEnding`: the loop ends, and this is the
    /// last attempt.
    func willRecover(isEnding: Bool) -> Bool
    /// The file has been removed; the bytes of the last write count as not written. True: the destination opens another
    /// file, and then resumes the writer, which drops the rest of a record whose beginning is in the removed file.
    /// False: a failure like others.
    func didLoseFile() -> Bool
    /// `count` bytes could not be written, and are gone. `error` is nil if the descriptor took nothing in time.
    func didGiveUp(_ count: Int, because error: IOError?)
    /// The loop has ended, and has forgotten the writer.
    func didRelease()
}

extension Destination {
    package func didAttach() {}
    package func mayWrite(_ count: Int) -> Int { count }
    package func didWrite(_ count: Int) {}
    package func didDiscard(_ size: Int, behind kept: Int) {}
    package func didSkip(_ error: IOError) {}
    package func didFailToWrite(_ error: IOError) {}
    package func didFail(_ error: IOError) {}
    package func didRecover() {}
    package func willRecover(isEnding: Bool) -> Bool { false }
    package func didLoseFile() -> Bool { false }
    package func didGiveUp(_ count: Int, because error: IOError?) {}
    package func didRelease() {}
}
