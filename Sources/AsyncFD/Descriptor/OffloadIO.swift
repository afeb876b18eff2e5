// The one seam behind which the library makes its own blocking calls: today on a thread of the loop's I/O pool.
//
//                    async                            with a callback on the loop
//     any call       loop.offloadIO { … }             loop.offloadIO({ … }) { result in … }
//     a descriptor   descriptor.offloadIO { fd in … } descriptor.offloadIO({ fd in … }) { result in … }
//
// `EventLoop.offload` is for users, and has threads of its own. A different mechanism (io_uring's requests, one day)
// changes this file and none of its callers.
import EventLoop

extension EventLoop {
    /// Makes a call that may block on a thread of the I/O pool, and returns its result. Loop thread.
    ///
    /// Not cancellable: the kernel does not give up such calls. What `body` uses must stay valid until this returns.
    package func offloadIO<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        let result = ResultBox<Value>()
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            offloadIO({ result.value = body() }) { continuation.resume() }
        }
        return result.value!
    }

    /// The same for callers that are no tasks: `done` gets the result, on the loop.
    package func offloadIO<Value: Sendable>(
        _ body: @escaping @Sendable () -> Value, then done: @escaping (Value) -> Void
    ) {
        let result = ResultBox<Value>()
        offloadIO({ result.value = body() }) { done(result.value!) }
    }

    /// The same for a call without a result: it needs no memory for one.
    package func offloadIO(_ body: @escaping @Sendable () -> Void, then done: @escaping () -> Void) {
        #if DEBUG
        let faults = Faults.current
        submitIO(
            {
                let outer = Faults.current
                Faults.install(faults)
                body()
                Faults.install(outer)
            }, then: done)
        #else
        submitIO(body, then: done)
        #endif
    }
}

extension AsyncFD {
    /// Makes a call with this descriptor's number on a thread of the I/O pool, and returns its result. Loop thread.
    ///
    /// The number stays open until the call is over. A closed descriptor passes -1, and the kernel answers EBADF.
    func offloadIO<Value: Sendable>(_ body: @escaping @Sendable (CInt) -> Value) async -> Value {
        let number = numberInUse()
        defer { endUse(of: number) }
        return await loop.offloadIO { body(number) }
    }

    /// The same for callers that are no tasks: `done` gets the result, on the loop.
    package func offloadIO<Value: Sendable>(
        _ body: @escaping @Sendable (CInt) -> Value, then done: @escaping (Value) -> Void
    ) {
        let number = numberInUse()
        loop.offloadIO({ body(number) }) { [self] (result: Value) in
            endUse(of: number)
            done(result)
        }
    }

    /// The same for a call without a result: it needs no memory for one.
    func offloadIO(_ body: @escaping @Sendable (CInt) -> Void, then done: @escaping () -> Void) {
        let number = numberInUse()
        loop.offloadIO({ body(number) }) { [self] in
            endUse(of: number)
            done()
        }
    }

    private func numberInUse() -> CInt { uses.begin() ? descriptor.rawValue : -1 }

    private func endUse(of number: CInt) { if number >= 0 { endUse() } }
}
