// The one seam behind which calls that can block are made: today on a thread of the loop's pool.
//
// Whatever takes its place (io_uring's requests, one day) changes this file and none of its callers.
import EventLoop

extension EventLoop {
    /// Makes a call that may block where that holds nobody up, and returns what it returns. Loop thread. Not cancellable: the kernel does
    /// not give such calls back, so what `body` uses must stay valid until this returns.
    package func blocking<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        let answer = Answer<Value>()
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            offloadCall({ answer.value = body() }) { continuation.resume() }
        }
        return answer.value!
    }

    /// The same for callers that are no tasks: `done` is called on the loop.
    package func offloadCall(_ body: @escaping @Sendable () -> Void, then done: @escaping () -> Void) {
        #if DEBUG
        let faults = Faults.current
        offload(
            {
                let outer = Faults.current
                Faults.install(faults)
                body()
                Faults.install(outer)
            }, then: done)
        #else
        offload(body, then: done)
        #endif
    }
}

extension AsyncFD {
    /// Makes a call with this descriptor's number where it may block. The number stays open until the call is over; that of a closed descriptor is -1,
    /// and the kernel says EBADF.
    func blocking<Value: Sendable>(_ body: @escaping @Sendable (CInt) -> Value) async -> Value {
        let number = numberInUse()
        defer { endUse(of: number) }
        return await loop.blocking { body(number) }
    }

    /// The same for callers that are no tasks.
    func blockingCall(_ body: @escaping @Sendable (CInt) -> Void, then done: @escaping () -> Void) {
        let number = numberInUse()
        loop.offloadCall({ body(number) }) { [self] in
            endUse(of: number)
            done()
        }
    }

    private func numberInUse() -> CInt { uses.begin() ? descriptor.rawValue : -1 }

    private func endUse(of number: CInt) { if number >= 0 { endUse() } }
}

/// What came of an offloaded call. Unchecked: written before the pool reports, read after.
final class Answer<Value>: @unchecked Sendable {
    var value: Value?
}
