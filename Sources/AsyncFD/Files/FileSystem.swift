// Files by their paths, for the layers above: blocking calls as throwing functions, each error with operation and path.
//
// For threads of the I/O pool only: `EventLoop.offloadIO`.
import EventLoop
import Glibc
import SystemPackage

/// What a file is, at one moment.
package struct FileStatus: Sendable {
    /// Which file it is, whatever it is called.
    package struct Identity: Hashable, Sendable {
        let device: UInt64
        let number: UInt64
    }

    package let identity: Identity
    package let size: Int64
    /// Since 1970-01-01T00:00:00Z, in nanoseconds.
    package let modified: Int64
    package let isRegular: Bool
    /// How many names it has. With none, it can no longer be opened.
    package let linkCount: Int
    package let permissions: FilePermissions
    fileprivate let user: uid_t
    fileprivate let group: gid_t

    init(_ status: stat) {
        identity = Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        isRegular = status.st_mode & S_IFMT == S_IFREG
        linkCount = Int(status.st_nlink)
        permissions = FilePermissions(rawValue: status.st_mode & 0o7777)
        user = status.st_uid
        group = status.st_gid
    }
}

/// Blocking; a thread of the pool.
package enum FileSystem {
    /// Opens a file for appending; creates it, with these permissions less the process' umask, if it is not there.
    package static func openForAppending(_ path: FilePath, permissions: FilePermissions, followingLink: Bool)
        throws(IOError) -> CInt
    {
        try get(
            "open", path,
            Syscalls.openFile(path, O_WRONLY | O_APPEND | O_CREAT, permissions.rawValue, followingLink: followingLink))
    }

    package static func openForReading(_ path: FilePath) throws(IOError) -> CInt {
        try get("open", path, Syscalls.openFile(path, O_RDONLY, 0, followingLink: false))
    }

    /// A new file with the permissions of `model`, and its owner as far as the process may set it.
    package static func create(_ path: FilePath, like model: FileStatus) throws(IOError) -> CInt {
        let number = try get(
            "open", path, Syscalls.openFile(path, O_WRONLY | O_CREAT | O_EXCL, 0o600, followingLink: false))
        _ = Syscalls.setOwner(number, model.user, model.group)
        if let errno = Syscalls.setPermissions(number, model.permissions.rawValue) {
            Syscalls.close(number)
            throw IOError("fchmod", on: quoted(path), errno)
        }
        return number
    }

    package static func close(_ descriptor: CInt) { Syscalls.close(descriptor) }

    package static func status(_ descriptor: CInt, of path: FilePath) throws(IOError) -> FileStatus {
        FileStatus(try get("fstat", path, Syscalls.status(descriptor)))
    }

    /// Nil if there is nothing at the path.
    package static func status(_ path: FilePath, followingLink: Bool) throws(IOError) -> FileStatus? {
        switch Syscalls.status(path, followingLink: followingLink) {
        case .success(let status): return FileStatus(status)
        case .failure(.noSuchFileOrDirectory): return nil
        case .failure(let errno): throw IOError("stat", on: quoted(path), errno)
        }
    }

    /// The path without links and dots.
    package static func resolve(_ path: FilePath) throws(IOError) -> FilePath {
        try get("realpath", path, Syscalls.resolve(path))
    }

    /// What a path that does not begin at the root begins at.
    package static func absolute(_ path: FilePath) throws(IOError) -> FilePath {
        path.isAbsolute ? path : try get("getcwd", path, Syscalls.currentFolder()).pushing(path)
    }

    /// The names in a folder, in no order, without `.` and `..`.
    package static func list(_ folder: FilePath) throws(IOError) -> [String] {
        try get("readdir", folder, Syscalls.list(folder)).map(\.name)
    }

    /// The same, of regular files alone.
    package static func listFiles(_ folder: FilePath) throws(IOError) -> [String] {
        var names: [String] = []
        for (name, isRegular) in try get("readdir", folder, Syscalls.list(folder)) {
            var isFile = isRegular
            if isFile == nil { isFile = try status(folder.appending(name), followingLink: false)?.isRegular }
            if isFile == true { names.append(name) }
        }
        return names
    }

    /// The folder, and those above it that are missing.
    package static func makeFolders(_ path: FilePath) throws(IOError) {
        guard let errno = Syscalls.makeFolder(path, 0o755), errno != .fileExists else { return }
        guard errno == .noSuchFileOrDirectory, !path.removingLastComponent().isEmpty else {
            throw IOError("mkdir", on: quoted(path), errno)
        }
        try makeFolders(path.removingLastComponent())
        if let errno = Syscalls.makeFolder(path, 0o755), errno != .fileExists {
            throw IOError("mkdir", on: quoted(path), errno)
        }
    }

    /// - Throws: `.alreadyExists` if there is something at `to`.
    package static func rename(_ from: FilePath, to: FilePath) throws(IOError) {
        try check("rename", from, Syscalls.renameWithoutReplacing(from, to))
    }

    package static func rename(_ from: FilePath, replacing to: FilePath) throws(IOError) {
        try check("rename", from, Syscalls.rename(from, to))
    }

    /// Does nothing if there is nothing at the path.
    package static func remove(_ path: FilePath) throws(IOError) {
        let errno = Syscalls.remove(path)
        if errno != .noSuchFileOrDirectory { try check("unlink", path, errno) }
    }

    /// Makes a symbolic link, or atomically replaces one that is there. Anything else at the path stays.
    package static func link(_ path: FilePath, to target: String) throws(IOError) {
        switch Syscalls.readSymbolicLink(path) {
        case .success(target): return
        case .failure(.invalidArgument): throw IOError("symlink", on: quoted(path), Errno.fileExists)
        case .success, .failure: break
        }
        let temporary = FilePath(path.string + ".partial")
        _ = Syscalls.remove(temporary)
        try check("symlink", path, Syscalls.makeSymbolicLink(to: target, at: temporary))
        try rename(temporary, replacing: path)
    }

    /// The last byte of an open file; nil if it is empty, or may not be read.
    package static func lastByte(_ descriptor: CInt, size: Int64) -> UInt8? {
        guard size > 0, case .success(let reader) = Syscalls.reopen(descriptor, O_RDONLY) else { return nil }
        defer { Syscalls.close(reader) }
        var byte: UInt8 = 0
        let outcome = withUnsafeMutableBytes(of: &byte) { memory in
            withUnsafePointer(to: iovec(iov_base: memory.baseAddress, iov_len: 1)) {
                Syscalls.read(reader, Vectors(start: $0, count: 1), at: size - 1)
            }
        }
        return outcome == .bytes(1) ? byte : nil
    }

    package static func append(_ byte: UInt8, to descriptor: CInt, of path: FilePath) throws(IOError) {
        Syscalls.surviveFileSizeLimit()
        var byte = byte
        let outcome = withUnsafeMutableBytes(of: &byte) { memory in
            withUnsafePointer(to: iovec(iov_base: memory.baseAddress, iov_len: 1)) {
                Syscalls.write(descriptor, Vectors(start: $0, count: 1))
            }
        }
        switch outcome {
        case .bytes: break
        case .wouldBlock: throw IOError("write", on: quoted(path), Errno.resourceTemporarilyUnavailable)
        case .failed(let errno): throw IOError("write", on: quoted(path), errno)
        }
    }

    package static func setModificationTime(_ descriptor: CInt, of path: FilePath, _ nanoseconds: Int64) throws(IOError)
    {
        try check("futimens", path, Syscalls.setModificationTime(descriptor, nanoseconds))
    }

    package static func sync(_ descriptor: CInt, of path: FilePath, timesToo: Bool = false) throws(IOError) {
        try check(timesToo ? "fsync" : "fdatasync", path, Syscalls.sync(descriptor, dataOnly: !timesToo))
    }

    /// Makes names durable: that of a new file, and of one that was renamed.
    package static func syncFolder(_ folder: FilePath) throws(IOError) {
        let number = try get("open", folder, Syscalls.open(folder, O_RDONLY | O_DIRECTORY, 0))
        defer { Syscalls.close(number) }
        try check("fsync", folder, Syscalls.sync(number, dataOnly: false))
    }

    /// Everything that is on the descriptor's file system.
    package static func syncFileSystem(_ descriptor: CInt, of path: FilePath) throws(IOError) {
        try check("syncfs", path, Syscalls.syncFileSystem(descriptor))
    }

    /// Whether the process has a controlling terminal, whose end sends SIGHUP: only then `/dev/tty` can be opened
    /// (tty(4)).
    package static var hasTerminal: Bool {
        guard case .success(let number) = Syscalls.open("/dev/tty", O_RDONLY, 0) else { return false }
        Syscalls.close(number)
        return true
    }

    private static func quoted(_ path: FilePath) -> String { "\"\(path)\"" }

    private static func check(_ operation: String, _ path: FilePath, _ errno: Errno?) throws(IOError) {
        if let errno { throw IOError(operation, on: quoted(path), errno) }
    }

    private static func get<Value>(_ operation: String, _ path: FilePath, _ result: Result<Value, Errno>)
        throws(IOError) -> Value
    {
        switch result {
        case .success(let value): return value
        case .failure(let errno): throw IOError(operation, on: quoted(path), errno)
        }
    }
}

extension IOError {
    /// The path names a folder, where a file is wanted.
    package static func isFolder(_ path: FilePath) -> IOError { IOError("open", on: "\"\(path)\"", Errno.isDirectory) }

    /// The handler of this file has been closed.
    package static func closedFile(_ path: FilePath) -> IOError { IOError("write", on: "\"\(path)\"", .closed) }

    /// No thread runs the loop that would do this, and none can be started.
    package static func noLoop(_ operation: String, on label: String) -> IOError {
        IOError(operation, on: label, .noEventLoop)
    }
}
