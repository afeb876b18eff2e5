// The run queue: jobs of the Swift runtime that are ready to run on this loop, first in, first out.
//
// A job is one pointer and one bit. The bit says under which identity the job was enqueued, because the runtime has to be
// told again when the job runs (see Executors.swift). Jobs are aligned to 16 bytes, so the bit travels in the pointer.

/// A ready job together with the identity under which it has to run.
struct QueuedJob {
    private let bits: UInt

    init(_ job: UnownedJob, isSerial: Bool) {
        bits = unsafeBitCast(job, to: UInt.self) | (isSerial ? 1 : 0)
    }

    /// True for jobs of actors on the loop, false for jobs of tasks that merely prefer it.
    var isSerial: Bool { bits & 1 == 1 }

    var job: UnownedJob { unsafeBitCast(bits & ~1, to: UnownedJob.self) }
}

typealias JobQueue = Ring<QueuedJob>
