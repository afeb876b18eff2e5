// The handler of a log file, but for the format: what the file does is in Files/LogFile.swift.
import AsyncFD
import EventLoop

/// The part of a `FileHandler` that does not depend on the format.
///
/// Unchecked as its superclass is: loop thread only.
public class LogFileHandler: BufferedHandler, @unchecked Sendable {
    /// Made with the handler; it needs the handler's buffer.
    private final var file: LogFile!

    init(_ settings: LogFileSettings, recordEnd: UInt8?) throws(IOError) {
        let place = try LogPlace(settings, recordEnd: recordEnd)
        super.init(
            BatchWriter(on: EventLoop.current ?? .main), label: "\"\(place.path)\"", levels: settings.levels,
            capacity: settings.capacity,
            reserve: settings.reserve ?? settings.capacity / 16, overflow: settings.overflow,
            maximumLineLength: settings.maximumLineLength)
        file = LogFile(place, settings.rotation, reopensOnHangUp: settings.reopensOnHangUp, buffer)
        file.handler = self
        buffer.destination = file
    }

    deinit {
        guard let file else { return }
        nonisolated(unsafe) let done = file
        loop.performFromDeinit { done.handlerHasGone() }
    }

    /// Opens the file as soon as the loop comes to it. Any thread, once.
    final func start() {
        loop.perform { self.file.start() }
    }

    /// The same, and suspends until the file is open. If it cannot be, it is given up. Any task.
    final func startAndWait() async throws(IOError) {
        try await onLoop { handler async throws(IOError) in try await handler.file.startAndWait() }
    }

    // MARK: On request

    /// Ends the file now, whatever is in it, and begins a new one. An empty file does not end. Any task.
    ///
    /// - Throws: `IOError` if that does not work; the old file is written to on, and it is tried again by itself.
    public final func rotate() async throws(IOError) {
        try await onLoop { handler async throws(IOError) in try await handler.file.demand(.rotate(ifLargerThan: 0)) }
    }

    /// Opens what is at the path now, or makes a new file if nothing is: for a program that has renamed the file. The
    /// handler notices that by itself, a moment later. Any task.
    ///
    /// - Throws: `IOError` if that does not work; the old file is written to on, and it is tried again by itself.
    public final func reopen() async throws(IOError) {
        try await onLoop { handler async throws(IOError) in try await handler.file.demand(.reopen(awaitsNewFile: false))
        }
    }

    // MARK: Making sure

    override public func flush(_ mode: FlushMode) async throws(IOError) {
        guard mode == .durable else { return try await super.flush(mode) }
        file.durability.isWanted = true
        try await buffer.synchronize()
        try await file.durability.synchronize(buffer.descriptor)
    }

    /// Flushes, and waits for a rotation that is under way and for what is being compressed.
    override func finish(within limit: Duration) async {
        let deadline = Instant.now + limit
        await super.finish(within: limit)
        await file.settle(until: deadline)
    }

    /// Writes what pends, as far as that is possible within 30 seconds (`EventLoop.exitTimeout`), and closes the file:
    /// `state` is `.closed` then, which no fallback is told of. Records that come later are never written, and counted
    /// as dropped when the loop ends. Without it the file is closed when the handler goes. Any task.
    public final func close() async {
        guard !loop.isCurrent else { return await closeHere() }
        guard loop.ensureOwner() else { return }
        await loop.visit { await closeHere() }
    }

    private final func closeHere() async {
        await finish(within: EventLoop.exitTimeout)
        file.end()
    }

    private final func onLoop(_ body: @escaping @Sendable (LogFileHandler) async throws(IOError) -> Void)
        async throws(IOError)
    {
        if loop.isCurrent { return try await body(self) }
        guard loop.ensureOwner() else { throw IOError.noLoop("open", on: "\"\(file.place.path)\"") }
        try await loop.visit { () async throws(IOError) in try await body(self) }
    }
}

/// What a file handler is told when it is made.
struct LogFileSettings {
    let path: FilePath
    let rotation: Rotation?
    let permissions: FilePermissions
    let followsLink: Bool
    let createsFolders: Bool
    let reopensOnHangUp: Bool?
    let levels: ClosedRange<Level>
    let capacity: Int
    let reserve: Int?
    let overflow: Overflow
    let maximumLineLength: Int
}

extension LogPlace {
    /// - Throws: if the path cannot be a file's, or the program that is to compress is not to be found.
    fileprivate init(_ settings: LogFileSettings, recordEnd: UInt8?) throws(IOError) {
        let path = try FileSystem.absolute(settings.path)
        guard let base = path.lastComponent?.string, base != ".", base != ".." else { throw IOError.isFolder(path) }
        let rotation = settings.rotation
        let names = rotation?.names(base)
        names?.check()
        let compress = rotation?.compress
        self.init(
            path: path, permissions: settings.permissions, followsLink: settings.followsLink,
            createsFolders: settings.createsFolders,
            recordEnd: recordEnd, names: names, keep: rotation?.keep ?? .all,
            compressor: try compress.map { (compress) throws(IOError) in
                try FilterProgram(named: compress.program, compress.arguments)
            },
            compressedSuffix: compress?.suffix ?? "", latest: rotation?.latest)
    }
}
