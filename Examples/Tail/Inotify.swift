// inotify(7): the kernel's word that something has happened to a file or in a folder.
import AsyncFD
import SystemPackage
@preconcurrency import Glibc

/// What is watched, as a descriptor that becomes readable.
struct Inotify {
    private let events: AsyncFD

    init() throws {
        let number = inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK))
        guard number >= 0 else { throw Errno(rawValue: errno) }
        events = AsyncFD(owning: FileDescriptor(rawValue: number), label: "inotify")
    }

    func add(_ path: FilePath, _ mask: CInt) throws {
        guard path.withPlatformString({ inotify_add_watch(events.descriptor.rawValue, $0, UInt32(mask)) }) >= 0 else {
            throw Errno(rawValue: errno)
        }
    }

    /// Waits until something has happened, and takes note of all of it at once.
    func wait() async throws(IOError) {
        _ = try await events.read(upTo: 65_536)
    }
}
