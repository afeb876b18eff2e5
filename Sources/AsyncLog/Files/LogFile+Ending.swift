// What the end of a loop owes to a log file, apart from its records: whoever opens the same file next must not meet a rotation that is half done, nor
// have files renamed or removed under his hands by a thread that nobody remembers.
import EventLoop

extension LogFile: ShutdownParticipant {
    /// The loop sees to the buffer, and so it does to the file.
    func attached() {
        isGivenUp = false
        loop.register(self)
    }

    var isSettled: Bool { isGivenUp || (isClosed || !machine.isSwitching) && !work.isBusy }

    /// Either a job comes to an end, or it does not: there is nothing in between.
    var progress: UInt64 { 0 }

    func settle() { if !isClosed, machine.isSwitchWanted, buffer.pendingBytes == 0 { trySwitch() } }

    func giveUp() { isGivenUp = true }

    /// Something is being done to the file, or will be in a moment.
    var isUnsettled: Bool { !isClosed && (machine.isSwitching || machine.isSwitchWanted && outlet.failure == nil) }

    /// Suspends until the file has been left that is being left, and what comes after a rotation has been done; but not for longer than until then.
    func settle(until deadline: Instant) async {
        if isUnsettled { await settling.wait(until: deadline) }
        await housekeeper.waitUntilIdle(until: deadline)
    }
}
