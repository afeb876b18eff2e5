// Descriptors 0, 1 and 2: borrowed, like everything that we did not open.
import EventLoop
import SystemPackage

extension AsyncFD {
    /// Descriptor 0 on the current event loop (outside of any: on the main loop). Borrowed; any thread.
    public static var standardInput: AsyncFD { StandardStreams.current.input }

    /// Descriptor 1 on the current event loop (outside of any: on the main loop). Borrowed; any thread.
    ///
    ///     try await AsyncFD.standardOutput.write("hello\n")
    ///
    /// Its `isBlocking` is false while `fcntl(1, F_GETFL)` still says blocking to all other users: that is the point.
    public static var standardOutput: AsyncFD { StandardStreams.current.output }

    /// Descriptor 2 on the current event loop (outside of any: on the main loop). Borrowed; any thread.
    public static var standardError: AsyncFD { StandardStreams.current.error }
}

/// The three streams of one loop.
private final class StandardStreams: Sendable {
    let input: AsyncFD
    let output: AsyncFD
    let error: AsyncFD

    /// - Precondition: the loop is the current one, or the main loop.
    private init() {
        input = AsyncFD(borrowing: FileDescriptor(rawValue: 0), label: "standard input")
        output = AsyncFD(borrowing: FileDescriptor(rawValue: 1), label: "standard output")
        error = AsyncFD(borrowing: FileDescriptor(rawValue: 2), label: "standard error")
    }

    static var current: StandardStreams {
        guard let loop = EventLoop.current, loop !== EventLoop.main else { return main }
        return loop.local(StandardStreams.self) { StandardStreams() }
    }

    private static let main = StandardStreams()
}
