// How a handler is: whether what it is given goes where it should.
import AsyncFD

/// Whether a handler's records go where they should.
public enum HandlerState: Sendable, Equatable {
    /// They do.
    case ready
    /// They go out, or wait without loss, but something is not as it should be: a rotation failed and the old file grows, a connection is down and
    /// its spool fills.
    case degraded(IOError)
    /// Nothing goes out, and records are being lost, or soon will be. The handler keeps trying, and is `ready` again when the cause has gone.
    case failed(IOError)
}

/// The state of one handler, and who wants to know of it. Loop thread only.
struct HandlerCondition {
    private(set) var state = HandlerState.ready
    private var observers: [AsyncStream<HandlerState>.Continuation] = []

    /// Returns true if that is another state than before.
    mutating func enter(_ new: HandlerState) -> Bool {
        guard new != state else { return false }
        state = new
        observers.removeAll { if case .terminated = $0.yield(new) { true } else { false } }
        return true
    }

    mutating func add(_ observer: AsyncStream<HandlerState>.Continuation) {
        observer.yield(state)
        observers.append(observer)
    }
}

extension Handler {
    /// To be called by the handler itself when its state changes. Loop thread.
    final func enter(_ state: HandlerState) { _ = condition.enter(state) }

    /// Whether the handler's records go where they should. Any task.
    public final var state: HandlerState {
        get async {
            guard !loop.isCurrent, loop.isRunning else { return condition.state }
            return await withTaskExecutorPreference(loop) { condition.state }
        }
    }

    /// The state now, and each state that the handler enters from now on. Any thread.
    ///
    ///     for await state in handler.states { if case .failed(let reason) = state { page(reason) } }
    ///
    /// Ends with the iteration's task. States that nobody asks for in time are kept, the latest sixteen of them.
    public final var states: AsyncStream<HandlerState> {
        let (stream, continuation) = AsyncStream.makeStream(of: HandlerState.self, bufferingPolicy: .bufferingNewest(16))
        let isRunning = loop.isRunning
        loop.perform { self.condition.add(continuation) }
        if !isRunning { loop.lend() }
        return stream
    }
}
