// What the batch writer tells the buffer of its records: which were written, and which are gone. The buffer keeps the
// books by it, lets waiting records in, and has drops reported.
import SystemPackage

/// Loop thread only.
extension RecordBuffer {
    /// So many bytes, and so many records of callers, are in the kernel.
    func didWrite(_ bytes: Int, records: Int) {
        writtenBytes &+= UInt64(bytes)
        books.write(records)
        reportDrops()
        admitWaiting()
    }

    /// The batch writer has given this record up.
    func didLose(_ record: PendingRecords.Record, _ reason: Ledger.DropReason) {
        if !record.isReport { drop(reason, record.severity, record.sequence) }
    }

    func didFail(_ error: IOError) {
        if writer.destination == nil { reporter?.outputFailed(error) }
        refuseWaiting(.failure)
    }

    func didRecover() {
        if writer.destination == nil { reporter?.outputRecovered() }
        reportDrops()
    }

    func didEnd(because error: IOError?) {
        refuseWaiting(.timeout)
        guard !unreported.isEmpty else { return }
        let drops = unreported
        unreported = DropSummary()
        reporter?.reportAtEnd(drops, because: error ?? writer.failure)
    }

    func didRelease() { reporter?.outputReleased() }
}
