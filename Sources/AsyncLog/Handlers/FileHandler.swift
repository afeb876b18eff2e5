// A handler that writes records to a file, in a format.
import AsyncFD
import EventLoop
import SystemPackage

/// Writes records to a file, each in one piece, all of one turn of the loop with one system call, off the loop.
///
///     let handler = try await FileHandler("/var/log/app.log", formatter: JSONFormatter(), rotation: Rotation(.size(10 << 20), .daily(), keep: .count(7)))
///     let logger = Logger("app", handlers: [handler])
///
/// - **Opening.** The file is created if it is not there, and appended to if it is. If the last line in it is torn,
///   because a process or a machine was cut off in the middle of it, it is ended, so that the next record has a line of
///   its own. In an asynchronous function the initializer returns when the file is open, and throws if it cannot be; in
///   a synchronous one it returns at once. A file that cannot be opened, then or later, is tried again with pauses of
///   up to ten seconds; records wait in the buffer, and `state` is `.failed`.
/// - **Others.** When the file is renamed, removed or replaced, as logrotate does with `create`, the handler opens what
///   is at the path then; a moment passes in which what is in the buffer waits for the program that makes the new file.
///   A file that is truncated (`copytruncate`) is written to on, at its end. No system call is made for this per
///   record: the kernel tells (inotify(7)); beside that, for network file systems, there is a look at the path once a
///   second while there is something to write. `reopen()` and, as daemons do, SIGHUP have the file opened again at
///   once.
/// - **Rotation** is described at `Rotation`.
/// - **Several processes** may write to one file, as long as none of them rotates it: each write consists of whole
///   records.
/// - Devices and FIFOs are written to like files, without rotation.
///
/// Loop thread only, like every handler; making one is for any thread.
public final class FileHandler<Format: Formatter>: LogFileHandler, @unchecked Sendable {
    @exclusivity(unchecked) private var formatter: Format
    private let parts: CallSite.Parts

    /// A handler for a file that will be opened when the event loop comes to it. Until then records wait in memory, and
    /// a crash loses them.
    ///
    /// - Parameters:
    ///   - path: of the file. One that does not begin at the root is taken from the working folder of this moment.
    ///   - formatter: how records look.
    ///   - rotation: when the file ends and another one begins; never, if not given.
    ///   - permissions: of a file that is created, less the process' umask: `rw-r-----` if not given.
    ///   - followsLink: if the path is a symbolic link, write to (and rotate) what it leads to. False: refuse to open
    ///     it (`ELOOP`), as one should in a folder where others may write.
    ///   - createsFolders: make the folders of the path that are missing.
    ///   - reopensOnHangUp: open the file again at SIGHUP. If not given: yes, unless the process has a terminal, whose
    ///     hang-up is to end it.
    ///   - levels: records of other levels are ignored.
    ///   - capacity: how many bytes may wait to be written.
    ///   - reserve: how many of them are kept for records of level error and above; a sixteenth, if not given.
    ///   - overflow: what happens when the buffer is full.
    ///   - maximumLineLength: in bytes. A longer line has its texts cut, each with a mark.
    /// - Throws: `IOError` if the program that is to compress is not on `PATH`, or the path is none.
    public convenience init(
        _ path: FilePath, formatter: Format, rotation: Rotation? = nil,
        permissions: FilePermissions = [.ownerReadWrite, .groupRead],
        followsLink: Bool = true, createsFolders: Bool = false, reopensOnHangUp: Bool? = nil,
        levels: ClosedRange<Level> = .trace ... .critical,
        capacity: Int = defaultCapacity, reserve: Int? = nil, overflow: Overflow = .suspend,
        maximumLineLength: Int = 1 << 18
    ) throws(IOError) {
        try self.init(
            LogFileSettings(
                path: path, rotation: rotation, permissions: permissions, followsLink: followsLink,
                createsFolders: createsFolders,
                reopensOnHangUp: reopensOnHangUp, levels: levels, capacity: capacity, reserve: reserve,
                overflow: overflow,
                maximumLineLength: maximumLineLength), formatter)
        start()
    }

    /// A handler for a file that is open when this returns. Its parameters are those of the synchronous initializer.
    ///
    /// - Throws: `IOError` with the path and the reason: `open "/var/log/app.log": permission denied (EACCES)`.
    public convenience init(
        _ path: FilePath, formatter: Format, rotation: Rotation? = nil,
        permissions: FilePermissions = [.ownerReadWrite, .groupRead],
        followsLink: Bool = true, createsFolders: Bool = false, reopensOnHangUp: Bool? = nil,
        levels: ClosedRange<Level> = .trace ... .critical,
        capacity: Int = defaultCapacity, reserve: Int? = nil, overflow: Overflow = .suspend,
        maximumLineLength: Int = 1 << 18
    ) async throws(IOError) {
        try self.init(
            LogFileSettings(
                path: path, rotation: rotation, permissions: permissions, followsLink: followsLink,
                createsFolders: createsFolders,
                reopensOnHangUp: reopensOnHangUp, levels: levels, capacity: capacity, reserve: reserve,
                overflow: overflow,
                maximumLineLength: maximumLineLength), formatter)
        try await startAndWait()
    }

    private init(_ settings: LogFileSettings, _ formatter: Format) throws(IOError) {
        self.formatter = formatter
        parts = formatter.callSiteParts
        try super.init(settings, recordEnd: formatter.recordEnd)
    }

    override public var callSiteParts: CallSite.Parts { parts }
    override var timestamps: [Timestamp]? { (formatter as? any TimedFormatter)?.timestamps }

    override func layOut(_ record: borrowing Record, to line: inout LineBuffer) throws {
        try formatter.format(record, to: &line)
    }
}
