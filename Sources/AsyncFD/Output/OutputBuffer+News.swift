// What the outlet tells its buffer: what has been written, what failed, what was given up. The buffer keeps the books by it, lets in whoever waits for
// room, and has its owner say what has been lost.
import SystemPackage

/// Loop thread only.
extension OutputBuffer {
    package func outletWrote(_ count: Int) {
        writtenBytes &+= UInt64(count)
        var left = count
        while left > 0 {
            let length = Int(records.first.length)
            guard left >= length else {
                records.first.length -= UInt32(left)
                records.first.isBegun = true
                break
            }
            left -= length
            if !records.removeFirst().isReport { books.write() }
        }
        gate?.wrote(count)
        reportDrops()
        admitWaiting()
    }

    package func outletMayWrite(_ count: Int) -> Int { min(gate?.mayWrite(count) ?? owner?.bufferMayWrite(count) ?? count, writeLimit) }

    /// How many bytes are left of a record of which some are in the kernel already; 0 if there is none.
    package var restOfBegunRecord: Int { !records.isEmpty && records.first.isBegun ? Int(records.first.length) : 0 }

    package func outletWriteFailed(_ error: IOError) { owner?.bufferWriteFailed(error) }

    package func outletIsSeenTo(isEnding: Bool) -> Bool { owner?.bufferIsSeenTo(isEnding: isEnding) ?? false }

    package func outletWholeRecords(_ count: Int) -> Int { records.whole(within: count) }

    package func outletRecordLength(_ index: Int) -> Int? { index < records.count ? Int(records[index].length) : nil }

    package func outletSkips(_ error: IOError) -> Int {
        let entry = records.removeFirst()
        if !entry.isReport { drop(.failure, entry.severity, entry.sequence) }
        owner?.bufferSkipped(error)
        return Int(entry.length)
    }

    package func outletLostFile() -> Int? {
        guard let gate, gate.lostFile() else { return nil }
        let rest = restOfBegunRecord
        if rest > 0, case let entry = records.removeFirst(), !entry.isReport { drop(.failure, entry.severity, entry.sequence) }
        return rest
    }

    /// How many bytes the oldest records have that fit into `limit` bytes, and there are never fewer than one.
    package func wholeRecords(within limit: Int) -> Int {
        records.isEmpty ? 0 : max(records.whole(within: limit), Int(records.first.length))
    }

    package func outletFailed(_ error: IOError) {
        gate?.failed(error)
        owner?.bufferFailed(error)
        refuseWaiting(.failure)
        failureIsUnreported = true
        scheduleFailureReport()
    }

    /// Said a second later and not at once, so that a program that is about to end says it only once, with the final count.
    func scheduleFailureReport() {
        guard failureIsUnreported, !failureReportIsSet else { return }
        failureReportIsSet = true
        loop.after(.seconds(1)) { [self] in
            failureReportIsSet = false
            guard failureIsUnreported, let error = outlet.failure else { return }
            failureIsUnreported = false
            owner?.reportFailure(error, dropped: unreported.total)
        }
    }

    package func outletRecovered() {
        owner?.bufferRecovered()
        if !failureIsUnreported { owner?.reportRecovery() }
        failureIsUnreported = false
        reportDrops()
    }

    package func outletAbandoned(_ count: Int, because error: IOError?) {
        while !records.isEmpty {
            let entry = records.removeFirst()
            if !entry.isReport { drop(error == nil ? .timeout : .failure, entry.severity, entry.sequence) }
        }
        lastError = error
    }

    package func outletReleased() {
        gate?.released()
        owner?.bufferReleased()
    }

    package func outletConcluded() {
        refuseWaiting(.timeout)
        guard !unreported.isEmpty else { return }
        owner?.reportAtEnd(unreported, because: lastError ?? outlet.failure)
        unreported = DropSummary()
        failureIsUnreported = false
        lastError = nil
    }
}
