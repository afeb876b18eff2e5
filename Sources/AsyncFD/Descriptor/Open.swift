// Opening by path. The kernel looks paths up on disks and networks, so open(2) is called off the loop.
import EventLoop
import Glibc
import SystemPackage

/// Opens a file, FIFO or device, without blocking the event loop, for asynchronous reading and writing.
///
///     let log = try await open("/var/log/app.log", .writeOnly, options: [.append, .create])
///     try await log.write("hello\n")
///     await log.close()
///
/// The descriptor is closed on exec, never becomes a controlling terminal, and is the caller's to close. It lives on
/// the current loop.
///
/// A FIFO opened for reading is returned at once, and its first read waits for the first byte; one opened for writing
/// is returned when a reader opens it. (The kernel does not report that, so the open is tried again with pauses of up
/// to 100 ms.)
///
/// - Parameters:
///   - options: `.create`, `.append`, `.truncate`, `.exclusiveCreate`, …
///   - permissions: of a file that is created, less the process' umask; `rw-r--r--` if not given.
/// - Throws: `IOError` with the path: `open "/etc/shadow": permission denied (EACCES)`. `.isDirectory` for a directory,
///   unless `options` has `.directory`. `.cancelled` when the task is cancelled; nothing stays open then.
public func open(
    _ path: FilePath, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions = [],
    permissions: FilePermissions? = nil
) async throws(IOError) -> AsyncFD {
    let request = OpenRequest(path: path, mode: mode, options: options, permissions: permissions)
    let loop = EventLoop.current ?? .main
    if loop.isCurrent { return try await request.open(on: loop) }
    return try await loop.visit("open", request.label) { () throws(IOError) in try await request.open(on: loop) }
}

private struct OpenRequest: Sendable {
    let path: FilePath
    let mode: FileDescriptor.AccessMode
    let options: FileDescriptor.OpenOptions
    let permissions: FilePermissions?

    var label: String { "\"\(path)\"" }

    private static let firstPause = Duration.milliseconds(1)
    private static let longestPause = Duration.milliseconds(100)

    /// Loop thread.
    func open(on loop: EventLoop) async throws(IOError) -> AsyncFD {
        var pause = Self.firstPause
        while true {
            if Task.isCancelled { throw IOError("open", on: label, .cancelled) }
            switch await loop.offloadIO({ attempt() }) {
            case .success(let (number, kind)):
                let descriptor = AsyncFD(
                    FileDescriptor(rawValue: number), owns: true, label: label, isOurs: true, kind: kind)
                if Task.isCancelled {
                    await descriptor.close()
                    throw IOError("open", on: label, .cancelled)
                }
                descriptor.awaitsFirstByte = kind == .pipe && mode == .readOnly
                return descriptor
            // ENXIO: a FIFO without a reader (fifo(7)).
            case .failure(.noSuchAddressOrDevice) where mode == .writeOnly && isFIFO():
                if await loop.sleep(until: .now + pause) == .cancelled { throw IOError("open", on: label, .cancelled) }
                pause = min(pause * 2, Self.longestPause)
            case .failure(let errno): throw IOError("open", on: label, errno)
            }
        }
    }

    /// Blocks for as long as the path's disk or network takes.
    private func attempt() -> Result<(CInt, AsyncFD.Kind), Errno> {
        let creates = options.contains(.create) || options.contains(.exclusiveCreate)
        let bits = creates ? (permissions ?? [.ownerReadWrite, .groupRead, .otherRead]).rawValue : 0
        return Syscalls.open(path, mode.rawValue | options.rawValue, bits).flatMap { number in
            let kind = AsyncFD.Kind(of: number)
            // The kernel opens a directory for reading, and only read(2) fails.
            if kind == .directory, !options.contains(.directory) {
                Syscalls.close(number)
                return .failure(.isDirectory)
            }
            if kind == .file, mode == .readOnly { Syscalls.adviseSequential(number) }
            return .success((number, kind))
        }
    }

    private func isFIFO() -> Bool {
        var status = stat()
        return path.withPlatformString { stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFIFO
    }
}
