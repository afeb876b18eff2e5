// What other threads hand to a loop, apart from log records: a job of the Swift runtime's, or a call.
import CEventLoop

/// An envelope with a job that another thread has enqueued.
enum JobEnvelope {
    static func make(_ job: QueuedJob, from pool: BlockPool) -> UnsafeMutableRawPointer {
        let envelope = pool.take()
        Envelope.address(envelope) { envelope in
            let job = envelope.load(fromByteOffset: Envelope.headerSize, as: QueuedJob.self)
            unsafe Unmanaged<EventLoop>.fromOpaque(cel_current_loop()!)._withUnsafeGuaranteedRef { loop in
                loop.envelopes.put(envelope)
                loop.schedule(job)
            }
        }
        (envelope + Envelope.headerSize).initializeMemory(as: QueuedJob.self, to: job)
        return envelope
    }
}

/// An envelope with a closure.
struct CallEnvelope {
    /// In a structure of its own: as the value of some type, any type, it would first be wrapped in another closure.
    private let body: () -> Void

    static func make(_ body: consuming @escaping () -> Void, from pool: BlockPool) -> UnsafeMutableRawPointer {
        let envelope = pool.take()
        Envelope.address(envelope) { envelope in
            let body = (envelope + Envelope.headerSize).assumingMemoryBound(to: CallEnvelope.self).move().body
            unsafe Unmanaged<EventLoop>.fromOpaque(cel_current_loop()!)._withUnsafeGuaranteedRef {
                $0.envelopes.put(envelope)
            }
            body()
        }
        (envelope + Envelope.headerSize).bindMemory(to: CallEnvelope.self, capacity: 1).initialize(
            to: CallEnvelope(body: consume body))
        return envelope
    }
}
