// What the end of a loop waits for at a log file, apart from its records: the next program that opens the file must not
// find a rotation half done, nor have its files renamed or removed by a thread of this one that is still at work.
import EventLoop

extension LogFile: ShutdownParticipant {
    /// The loop sees to the buffer, and so it does to the file.
    func didAttach() {
        isGivenUp = false
        loop.register(self)
    }

    var isSettled: Bool { isGivenUp || (isClosed || !machine.isSwitching) && !work.isBusy }

    /// While other threads go on logging, one rotation may follow another for ever: what was pending is in a file then.
    var hasReachedGoal: Bool { isSettled || writer.hasReachedGoal && !writer.isSettled }

    /// Either a job comes to an end, or it does not: there is nothing in between.
    var progress: UInt64 { 0 }

    func settle() { if !isClosed, machine.isSwitchWanted, buffer.pendingBytes == 0 { trySwitch() } }

    func released() { didRelease() }

    func giveUp() -> Bool {
        isGivenUp = true
        return false
    }

    /// Something is being done to the file, or will be in a moment.
    var isUnsettled: Bool { !isClosed && (machine.isSwitching || machine.isSwitchWanted && writer.failure == nil) }

    /// Suspends until the file has been left that is being left, and what comes after a rotation has been done; but not
    /// for longer than until then.
    func settle(until deadline: Instant) async {
        if isUnsettled { await settling.wait(until: deadline) }
        await housekeeper.waitUntilIdle(until: deadline)
    }
}
