// What most tests of the bridge need: a loop, a handler that keeps records, and a swift-log logger in front of it.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Glibc
import Logging
import TestSupport

/// What a memory handler has after `body`, which is given a backend whose root has no name.
func records(
    level: AsyncLog.Level = .trace, privacy: (@Sendable (Logging.Logger.MetadataValueAttributes) -> Privacy?)? = nil,
    _ body: @escaping (AsyncLogBackend) async throws -> Void
) throws -> [KeptRecord] {
    try EventLoop.run {
        let memory = MemoryHandler()
        let backend = AsyncLogBackend(AsyncLog.Logger("", level: level, handlers: [memory]), privacy: privacy)
        try await body(backend)
        try await backend.logger.flush()
        return memory.records
    }
}

/// The lines that a formatter makes of what `body` logs.
func lines<Format: Formatter>(_ formatter: Format, _ body: @escaping (AsyncLogBackend) async throws -> Void) throws
    -> [String]
{
    try EventLoop.run {
        let collector = Collector(formatter)
        try await body(AsyncLogBackend(AsyncLog.Logger("", level: .trace, handlers: [collector])))
        return collector.texts
    }
}

extension AsyncLogBackend {
    func logger(_ label: String, metadataProvider: Logging.Logger.MetadataProvider? = nil) -> Logging.Logger {
        Logging.Logger(label: label) { handler(label: $0, metadataProvider: metadataProvider) }
    }
}

/// Runs `body` on a thread of its own and suspends until it has run. Not a detached task: the tests that run a loop
/// each hold up one of the few threads on which those run.
func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withUnsafeContinuation { continuation in
        detachThread {
            body()
            continuation.resume()
        }
    }
    // What was logged there stands in the loop's inbox, which the next turn empties; a quick thread has not made this
    // task wait for one.
    await Task.yield()
}
