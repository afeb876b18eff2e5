// The run queue: jobs of the Swift runtime that are ready to run on this loop, first in, first out.
//
// A job is one pointer and two bits. The bits say under which identity the job was enqueued, because the runtime has to
// be told again when the job runs (see Executors.swift). Jobs are aligned to 16 bytes, so the bits travel in the
// pointer.
import CEventLoop

/// A ready job together with the identity under which it has to run.
struct QueuedJob {
    enum Identity: UInt {
        /// A task that prefers the loop (`TaskExecutor`).
        case task
        /// An actor that lives on the loop (`SerialExecutor`).
        case serial
        /// A task that prefers nothing, where the loop is the executor of the process.
        case global
        /// The main actor, where the loop is the executor of the process.
        case main
    }

    let bits: UInt

    init(bits: UInt) { self.bits = bits }

    init(_ job: UnownedJob, _ identity: Identity) {
        bits = unsafeBitCast(job, to: UInt.self) | identity.rawValue
    }

    /// Has the processor fetch the job and the beginning of its task, which will run in a moment.
    func prefetch() {
        for offset in stride(from: UInt(0), through: 128, by: 64) {
            cel_prefetch(UnsafeRawPointer(bitPattern: (bits & ~3) + offset))
        }
    }

    var identity: Identity { unsafe Identity(rawValue: bits & 3).unsafelyUnwrapped }

    var job: UnownedJob { unsafeBitCast(bits & ~3, to: UnownedJob.self) }
}

typealias JobQueue = Ring<QueuedJob>
