// Events of files that other processes rename or remove, from the kernel: inotify(7).
//
// One inotify descriptor a loop, however many files are watched: a user may have only 128. A file is watched by its
// inode, through /proc/self/fd, so no path is looked up and nothing that happens to other files of the folder wakes the
// loop.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Loop thread only, but for what takes the number of its descriptor.
package final class FileWatcher {
    /// The name of one watched inode.
    package typealias Watch = CInt

    /// For `watch` and `unwatch`, on a thread of the pool.
    package let descriptor: CInt
    private var registration: Registration?
    private var observers: [Watch: [Observer]] = [:]
    /// Watches that had an event before their callback was set.
    private var unclaimed: Set<Watch> = []

    private struct Observer {
        weak var owner: AnyObject?
        let body: () -> Void
    }

    /// Nil if the kernel has no inotify instance left: then the caller has to look at the files itself.
    package static func of(_ loop: EventLoop) -> FileWatcher? {
        let holder = loop.local(Holder.self) { Holder(FileWatcher(on: loop)) }
        return holder.watcher
    }

    private final class Holder {
        let watcher: FileWatcher?
        init(_ watcher: FileWatcher?) { self.watcher = watcher }
    }

    private init?(on loop: EventLoop) {
        guard case .success(let number) = Syscalls.makeInotify() else { return nil }
        descriptor = number
        guard let registration = try? loop.register(number) else {
            Syscalls.close(number)
            return nil
        }
        self.registration = registration
        awaitNews()
    }

    deinit {
        registration?.close()
        Syscalls.close(descriptor)
    }

    /// Blocks; a thread of the pool. The file that is open as `file` is watched for being renamed and removed.
    package static func watch(_ file: CInt, on inotify: CInt) -> Watch? {
        try? Syscalls.addWatch(
            inotify, FilePath("/proc/self/fd/\(file)"),
            UInt32(IN_MOVE_SELF) | UInt32(IN_ATTRIB) | UInt32(IN_DELETE_SELF)
        ).get()
    }

    /// Calls `body` at each event of `watch`, as long as `owner` lives.
    package func observe(_ watch: Watch, _ owner: AnyObject, _ body: @escaping () -> Void) {
        observers[watch, default: []].append(Observer(owner: owner, body: body))
        if unclaimed.remove(watch) != nil { body() }
    }

    /// Does not block: the kernel forgets a watch in memory.
    package func forget(_ watch: Watch, _ owner: AnyObject) {
        observers[watch]?.removeAll { $0.owner == nil || $0.owner === owner }
        guard observers[watch]?.isEmpty == true else { return }
        observers[watch] = nil
        Syscalls.removeWatch(descriptor, watch)
    }

    // MARK: The kernel's events

    private func awaitNews() {
        registration?.whenReady(.read) { [weak self] wake in
            guard let self, wake == .ready else { return }
            takeNews()
            awaitNews()
        }
    }

    private func takeNews() {
        guard let registration, case .go(let edge) = registration.attempt(.read) else { return }
        var touched: Set<Watch> = []
        var hasOverflowed = false
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 8)
        defer { memory.deallocate() }
        let vector = iovec(iov_base: memory.baseAddress, iov_len: memory.count)
        while case .bytes(let count) = withUnsafePointer(
            to: vector, { Syscalls.read(descriptor, Vectors(start: $0, count: 1)) }), count > 0
        {
            var offset = 0
            while offset < count {
                let event = memory.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                offset += MemoryLayout<inotify_event>.size + Int(event.len)
                if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { hasOverflowed = true }
                if event.mask & UInt32(IN_IGNORED) == 0 { touched.insert(event.wd) }
            }
        }
        registration.clear(.read, edge, by: .wouldBlock)
        if hasOverflowed { touched.formUnion(observers.keys) }
        for watch in touched { tell(watch) }
    }

    private func tell(_ watch: Watch) {
        guard let observers = observers[watch] else {
            // It may have been made a moment ago. Numbers are not used again for a long time, so this can be forgotten
            // in between.
            if unclaimed.count >= 256 { unclaimed = [] }
            unclaimed.insert(watch)
            return
        }
        for observer in observers where observer.owner != nil { observer.body() }
    }
}
