// What others do to a log file: rename it, remove it, truncate it.
import AsyncFD
import EventLoop

extension LogFile {
    /// The file that is open is watched by another name now.
    func observe(_ new: FileWatcher.Watch?) {
        if let watch { watcher?.forget(watch, self) }
        watch = new
        newsDuringSwitch = false
        if let new { watcher?.observe(new, self) { [weak self] in self?.look() } }
    }

    /// Where the kernel tells of nothing: over a network, in folders above, without inotify.
    func lookNowAndThen() {
        let now = Instant.now
        guard now - lastLook >= .seconds(1) else { return }
        lastLook = now
        look()
    }

    /// Whether the path still leads to the file that is open, and how large that one is. Nothing has to wait for it.
    func look() {
        guard !machine.isSwitching else {
            newsDuringSwitch = true
            return
        }
        newsDuringSwitch = false
        guard let descriptor = writer.descriptor, descriptor.kind == .file, !isLooking else { return }
        isLooking = true
        let (place, known) = (place, machine.size)
        descriptor.offloadIO { number in
            Result { () throws(IOError) in try place.look(number) }
        } then: { [weak self] result in
            guard let self else { return }
            isLooking = false
            // What was seen in the middle of a rotation of ours says nothing.
            guard descriptor === writer.descriptor, !machine.isSwitching else { return }
            switch result {
            case .success(.unchanged(let status)): machine.corrected(size: status.size, known: known)
            // if it has been removed, what waits goes into the next one (`didLoseFile`)
            case .success: requestSwitch(.reopen(awaitsNewFile: true))
            case .failure: break  // it will be seen at the next write, or the next look
            }
        }
    }

    // MARK: A file that has been removed

    /// What has just been written went into a file that cannot be opened: it counts as not written, and goes into the
    /// next one.
    func didLoseFile() -> Bool {
        guard !isClosed else { return false }
        machine.lostFile()
        trySwitchSoon()
        return true
    }

    /// There is nowhere to write to until a file can be opened.
    func leaveLostFile() {
        observe(nil)
        let old = writer.descriptor
        writer.redirect(to: nil)
        old?.closeHere()
    }
}
