// Where the records of all labels go, and on which thread.
//
// There are two ways to run. In a program whose event loop is ours, the backend lives on that loop: one thread. In a program that has a runtime of its
// own, it lives on a loop with a thread of its own, and what other threads log comes in through the loop's inbox.
import AsyncFD
import AsyncLog
import EventLoop
import Logging

/// What all swift-log loggers of a process share: destination, levels, books.
///
///     let backend = try AsyncLogBackend.start { [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())] }
///     LoggingSystem.bootstrap(backend)
///     …
///     backend.apply(try Directives("info,hummingbird=debug"))   // at any time
///     await backend.logger.shutdown(within: .seconds(5))
///
/// Any thread.
public struct AsyncLogBackend: Sendable {
    /// The logger above all labels. A label is a child of it: under a root without name the child's name is the label itself.
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
    ///   - logger: where records go. Its fields (`with`) and its sieve (`limited`, `sampled`, …) hold for all labels.
    ///   - privacy: what attributes of other packages say about who may read a value; nil: nothing. The stricter of this and of `Privacy` itself counts.
    ///     Called on the thread that logs.
    public init(_ logger: AsyncLog.Logger, privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil) {
        self.logger = logger
        self.privacy = privacy
        CrashFlush.coverThread()
    }

    /// A backend on an event loop with a thread of its own, for programs that have a runtime of their own.
    ///
    ///     LoggingSystem.bootstrap(try AsyncLogBackend.start { [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())] })
    ///
    /// The thread lives as long as the process. What was accepted goes out at `exit()` and when a main returns. The calling thread is held up until the handlers are made;
    /// in an asynchronous function `try await AsyncLogBackend.start` suspends instead.
    ///
    /// - Parameters:
    ///   - name: what the thread is called.
    ///   - level: records below are ignored, until directives or `level` say otherwise.
    ///   - privacy: what attributes of other packages say about who may read a value.
    ///   - handlers: makes the handlers, on the new thread. It may wait, for files that are opened, say, but not for the main actor while the main thread is held up here.
    /// - Throws: what `handlers` throws, a file's path and why it cannot be opened, for one; then the thread ends. `EventLoopError` if the kernel has no thread
    ///   or descriptor left.
    /// - Precondition: the calling thread runs no event loop.
    public static func start(
        name: String = "log", level: AsyncLog.Level = .info, privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil,
        _ handlers: @escaping @Sendable () async throws -> [Handler]
    ) throws -> AsyncLogBackend {
        let loop = try EventLoop.start(name: name)
        do {
            return AsyncLogBackend(
                try loop.performAndWait { AsyncLog.Logger("", level: level, handlers: try await handlers()) }, privacy: privacy)
        } catch {
            loop.stop()
            throw error
        }
    }

    /// The same for asynchronous functions: suspends until the handlers are made. Any task.
    ///
    ///     let backend = try await AsyncLogBackend.start { [try await FileHandler("/var/log/app.log", formatter: JSONFormatter())] }
    public static func start(
        name: String = "log", level: AsyncLog.Level = .info, privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil,
        _ handlers: @escaping @Sendable () async throws -> [Handler]
    ) async throws -> AsyncLogBackend {
        let loop = try EventLoop.start(name: name)
        // A task of its own: whatever actor or executor the caller has, the handlers are made on the loop.
        let making = Task(executorPreference: loop) { AsyncLog.Logger("", level: level, handlers: try await handlers()) }
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

    /// Below warning to standard output, warning and above to standard error, as text; the environment variable `ASYNCLOG` has the last word on levels.
    ///
    /// Made at its first use: within `EventLoop.run`, on that loop; elsewhere on a loop with a thread of its own, called `log`.
    public static let standard: AsyncLogBackend = {
        // Without a thread or a descriptor for the loop, whoever logs writes himself.
        guard EventLoop.current == nil, let loop = try? EventLoop.start(name: "log") else { return AsyncLogBackend(.standard("")) }
        return AsyncLogBackend(loop.performAndWait { .standard("") })
    }()

    /// The level of all labels that have none of their own. May be changed at any time; holds at once, for all loggers whose `logLevel` was not set.
    public var level: AsyncLog.Level {
        get { logger.level }
        nonmutating set { logger.level = newValue }
    }

    /// Sets levels by label. Holds at once, for all loggers whose `logLevel` was not set, those to come included.
    ///
    ///     backend.apply(try Directives("info,hummingbird.*=debug,db{user=7}=trace"))
    public func apply(_ directives: Directives) { logger.apply(directives) }

    /// A handler for `Logger(label:factory:)`, where a program does without `LoggingSystem`.
    public func handler(
        label: String, metadataProvider: Logging.Logger.MetadataProvider? = LoggingSystem.metadataProvider
    ) -> AsyncLogHandler {
        AsyncLogHandler(label: label, backend: self, metadataProvider: metadataProvider)
    }
}

extension LoggingSystem {
    /// Has all loggers log here. Once a process, before its first logger is made.
    public static func bootstrap(_ backend: AsyncLogBackend, metadataProvider: Logging.Logger.MetadataProvider? = nil) {
        bootstrap(
            { label, provider in AsyncLogHandler(label: label, backend: backend, metadataProvider: provider) }, metadataProvider: metadataProvider)
    }
}
