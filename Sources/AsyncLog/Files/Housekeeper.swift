// Sees to rotated files after each rotation: the surplus goes, the rest is compressed, one file at a time, oldest
// first.
//
// It keeps no list of what is to be done: each round begins with a look into the folder. So a restarted program
// finishes what the last one has begun.
//
// A compression that is under way when the loop ends is finished, if that takes no longer than a second. Else its
// program is ended and its half of a file removed; the original is compressed after the next start. Only a process that
// is killed leaves a half behind, and that too goes at the next start.
import AsyncFD
import EventLoop

/// Loop thread only.
final class Housekeeper {
    private let place: LogPlace
    private let work: SerialWork
    /// Gets what goes wrong, and nil when it goes well again.
    var report: (LogFile.Trouble, IOError?) -> Void = { _, _ in }

    private var isBusy = false
    /// Another round is due, with this file.
    private var path: FilePath?
    private var hasStarted = false
    private var failures = 0
    private let waiting: DeadlineWaiters

    /// A compression is being started, is under way, or is being finished.
    private var isCompressing = false
    /// What is being compressed, as long as its program has not been collected: so its number belongs to no other
    /// process.
    private var running: LogPlace.Compressing?
    /// The loop ends: nothing is begun any more.
    private var isEnding = false
    /// The program has been ended before it was done.
    private var isStopped = false
    private var isGivenUp = false

    init(_ place: LogPlace, _ work: SerialWork) {
        self.place = place
        self.work = work
        waiting = DeadlineWaiters(work.loop)
    }

    /// - Parameter path: where the file lies that is being written.
    func tidy(_ path: FilePath) {
        self.path = path
        isEnding = false
        if !isBusy { next() }
    }

    private func next() {
        guard let path = path.take() else {
            isBusy = false
            return waiting.resume()
        }
        isBusy = true
        let (place, now, isStart) = (place, WallClock.now, !hasStarted)
        work.run(nil) { (_) throws(IOError) in
            try place.tidy(path, now: now, isStart: isStart)
        } then: { [self] result in
            switch result {
            case .success(let name):
                hasStarted = true
                report(.retention, nil)
                if let name, !isEnding { compress(name, path) } else { end(path, .compression, nil) }
            case .failure(let error): end(path, .retention, error)
            }
        }
    }

    private func compress(_ name: RotatedName, _ path: FilePath) {
        let place = place
        (isCompressing, isStopped, isGivenUp) = (true, false, false)
        work.loop.register(self)
        work.run(nil) { (_) throws(IOError) in
            try place.startCompressing(name, in: path)
        } then: { [self] result in
            switch result {
            case .success(let compressing?):
                running = compressing
                if isGivenUp { stop() }
                work.loop.whenExited(compressing.pid) { [self] in publish(compressing, $0, path) }
            case .success(nil):
                compressed()
                again(path)
            case .failure(let error):
                compressed()
                end(path, .compression, error)
            }
        }
    }

    private func compressed() {
        isCompressing = false
        work.loop.unregister(self)
    }

    private func publish(_ compressing: LogPlace.Compressing, _ status: TerminationStatus?, _ path: FilePath) {
        running = nil
        let (place, failure) = (place, place.compressor?.error(status, on: path.sibling(compressing.name.name)))
        work.run(nil) { (_) throws(IOError) in
            try place.finishCompressing(compressing, in: path, failure: failure)
        } then: { [self] result in
            compressed()
            switch result {
            case .failure(let error): end(path, .compression, isStopped ? nil : error)
            case .success: again(path)
            }
        }
    }

    private func again(_ path: FilePath) {
        self.path = self.path ?? path
        next()
    }

    /// There is nothing left to do, or it does not work: then again after a pause, or after the next rotation,
    /// whichever is first.
    private func end(_ path: FilePath, _ trouble: LogFile.Trouble, _ error: IOError?) {
        report(trouble, error)
        failures = error == nil ? 0 : failures + 1
        if error != nil {
            work.loop.after(min(.seconds(1) * (1 << min(failures - 1, 10)), .seconds(300))) { [weak self] in
                guard let self, !isBusy else { return }
                tidy(path)
            }
        }
        next()
    }

    /// Suspends until there is nothing to do, or until then.
    func waitUntilIdle(until deadline: Instant) async {
        if isBusy { await waiting.wait(until: deadline) }
    }
}

extension Housekeeper: ShutdownParticipant {
    /// How long the end of a loop waits for a compression.
    private static let grace = Duration.seconds(1)

    var isSettled: Bool { !isCompressing || isGivenUp }

    /// Either the program comes to its end, or it does not.
    var progress: UInt64 { 0 }

    func settle() {
        isEnding = true
        work.loop.after(Self.grace) { [weak self] in if let self, isEnding { stop() } }
    }

    /// A disk that hangs: what is half done is left to the next start.
    func giveUp() -> Bool {
        guard !isSettled else { return false }
        isGivenUp = true
        stop()
        return false
    }

    func released() {}

    private func stop() {
        guard let running else { return }
        isStopped = true
        running.end()
    }
}
