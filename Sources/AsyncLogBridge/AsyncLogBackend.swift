// The backend: the destination of the records of all labels, and the thread that writes them.
//
// There are two ways to run it. In a program that runs this package's event loop, the backend lives on that loop: one
// thread. In a program with a runtime of its own, it lives on a loop with a thread of its own, and records of other
// threads come in through the loop's inbox.
import AsyncFD
import AsyncLog
import EventLoop
import Logging

/// What all swift-log loggers of a process share: destination, levels, ledger.
///
///     let backend = try AsyncLogBackend.start {
///         [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())]
///     }
///     LoggingSystem.bootstrap(backend)
///     …
///     backend.apply(try Directives("info,hummingbird=debug"))   // at any time
///     await backend.logger.shutdown(within: .seconds(5))
///
/// Any thread.
public struct AsyncLogBackend: Sendable {
    /// The logger above all labels. A label is a child of it: under a root without name the child's name is the label
    /// itself.
    ///
    /// With it come `flush`, `shutdown(within:)` and `ledger`.
    public let logger: AsyncLog.Logger
    let privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)?

    /// A backend on the event loop on which the logger's handlers live.
    ///
    ///     try EventLoop.run {
    ///         LoggingSystem.bootstrap(AsyncLogBackend(Logger("", handlers: [handler])))
    ///         …
    ///     }
    ///
    /// - Parameters:
    ///   - logger: the parent of all labels. Its fields (`with`) and its sampler (`limited`, `sampled`, …) apply to all
    ///     labels.
    ///   - privacy: returns the privacy that attributes of other packages ask for; nil if they ask for none. The
    ///     stricter of this and of `Privacy` itself counts. Called on the thread that logs.
    public init(
        _ logger: AsyncLog.Logger, privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil
    ) {
        self.logger = logger
        self.privacy = privacy
        CrashFlush.coverThread()
    }

    /// A backend on an event loop with a thread of its own, for programs that have a runtime of their own.
    ///
    ///     LoggingSystem.bootstrap(
    ///         try AsyncLogBackend.start {
    ///             [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())]
    ///         })
    ///
    /// The thread lives as long as the process. Accepted records go out at `exit()` and when `main` returns. The call
    /// blocks its thread until the handlers are made; in an asynchronous function `try await AsyncLogBackend.start`
    /// suspends instead.
    ///
    /// - Parameters:
    ///   - name: the thread's name.
    ///   - level: records below are ignored, until directives or `level` change it.
    ///   - privacy: returns the privacy that attributes of other packages ask for.
    ///   - handlers: makes the handlers, on the new thread. It may wait, for example to open files, but not for the
    ///     main actor while this call blocks the main thread.
    /// - Throws: what `handlers` throws, for example a file's path and why it cannot be opened; then the thread ends.
    ///   `EventLoopError` if the kernel has no thread or descriptor left.
    /// - Precondition: the calling thread runs no event loop.
    public static func start(
        name: String = "log", level: AsyncLog.Level = .info,
        privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil,
        _ handlers: @escaping @Sendable () async throws -> [Handler]
    ) throws -> AsyncLogBackend {
        let loop = try EventLoop.start(name: name)
        do {
            return AsyncLogBackend(
                try loop.performAndWait { AsyncLog.Logger("", level: level, handlers: try await handlers()) },
                privacy: privacy)
        } catch {
            loop.stop()
            throw error
        }
    }

    /// The same for asynchronous functions: suspends until the handlers are made. Any task.
    ///
    ///     let backend = try await AsyncLogBackend.start {
    ///         [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())]
    ///     }
    public static func start(
        name: String = "log", level: AsyncLog.Level = .info,
        privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil,
        _ handlers: @escaping @Sendable () async throws -> [Handler]
    ) async throws -> AsyncLogBackend {
        let loop = try EventLoop.start(name: name)
        // A task of its own, so that the handlers are made on the loop, whatever actor or executor the caller has.
        let making = Task(executorPreference: loop) {
            AsyncLog.Logger("", level: level, handlers: try await handlers())
        }
        do {
            return AsyncLogBackend(
                try await withTaskCancellationHandler {
                    try await making.value
                } onCancel: {
                    making.cancel()
                }, privacy: privacy)
        } catch {
            loop.stop()
            throw error
        }
    }

    /// Records below warning go to standard output, warning and above to standard error, as text; the environment
    /// variable `ASYNCLOG` overrides the levels.
    ///
    /// Made at its first use: within `EventLoop.run`, on that loop; elsewhere on a loop with a thread of its own, which
    /// is called `log`.
    public static let standard: AsyncLogBackend = {
        // If there is no thread or descriptor for the loop, the thread that logs writes itself.
        guard EventLoop.current == nil, let loop = try? EventLoop.start(name: "log") else {
            return AsyncLogBackend(.standard(""))
        }
        return AsyncLogBackend(loop.performAndWait { .standard("") })
    }()

    /// The level of all labels that have none of their own. May be changed at any time; applies at once to all loggers
    /// whose `logLevel` was not set.
    public var level: AsyncLog.Level {
        get { logger.level }
        nonmutating set { logger.level = newValue }
    }

    /// Sets levels by label. Applies at once to all loggers whose `logLevel` was not set, future ones included.
    ///
    ///     backend.apply(try Directives("info,hummingbird.*=debug,db{user=7}=trace"))
    public func apply(_ directives: Directives) { logger.apply(directives) }

    /// A handler for `Logger(label:factory:)`, for programs without `LoggingSystem`.
    public func handler(
        label: String, metadataProvider: Logging.Logger.MetadataProvider? = LoggingSystem.metadataProvider
    ) -> AsyncLogHandler {
        AsyncLogHandler(label: label, backend: self, metadataProvider: metadataProvider)
    }
}

extension LoggingSystem {
    /// Makes this backend the destination of all loggers. Call it once per process, before the first logger is made.
    public static func bootstrap(_ backend: AsyncLogBackend, metadataProvider: Logging.Logger.MetadataProvider? = nil) {
        bootstrap(
            { label, provider in AsyncLogHandler(label: label, backend: backend, metadataProvider: provider) },
            metadataProvider: metadataProvider)
    }
}
