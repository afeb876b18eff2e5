// inotify(7): the kernel's reports of changes of a file or in a folder.
import AsyncFD
import SystemPackage
@preconcurrency import Glibc

/// The watches, as a descriptor that becomes readable.
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

    /// Waits for an event, and consumes all pending events at once.
    func wait() async throws(IOError) {
        _ = try await events.read(upTo: 65_536)
    }
}
