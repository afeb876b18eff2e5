// Every system call on paths. All of them may wait for a disk or a network: on a thread of the pool only.
//
// What `Syscalls` is for descriptors: interrupted calls are repeated, and in debug builds a test may have the n-th of
// them fail.
import CAsyncFD
import Glibc
import SystemPackage

extension Syscalls {
    /// open(2) as `open`, but without following a link at the path's end (`ELOOP`).
    static func openFile(_ path: FilePath, _ flags: CInt, _ permissions: mode_t, followingLink: Bool) -> Result<
        CInt, Errno
    > {
        open(path, followingLink ? flags : flags | O_NOFOLLOW, permissions)
    }

    static func status(_ path: FilePath, followingLink: Bool) -> Result<stat, Errno> {
        var status = stat()
        return path.withPlatformString { path in
            retried { followingLink ? stat(path, &status) : lstat(path, &status) }.map { _ in status }
        }
    }

    /// rename(2), which replaces what is there.
    static func rename(_ from: FilePath, _ to: FilePath) -> Errno? {
        from.withPlatformString { from in to.withPlatformString { to in retried { Glibc.rename(from, to) }.errno } }
    }

    /// The same, but `EEXIST` if there is something at `to`.
    static func renameWithoutReplacing(_ from: FilePath, _ to: FilePath) -> Errno? {
        from.withPlatformString { from in
            to.withPlatformString { to in
                let errno = retried { cfd_rename_noreplace(from, to) }.errno
                guard errno == .invalidArgument || errno == .noFunction else { return errno }
                // A file system without it (NFS, some of FUSE): link(2) makes a second name, which fails if the name
                // exists; then the first name is removed.
                return retried { Glibc.link(from, to) }.errno ?? retried { Glibc.unlink(from) }.errno
            }
        }
    }

    static func remove(_ path: FilePath) -> Errno? {
        path.withPlatformString { path in retried { Glibc.unlink(path) }.errno }
    }

    static func makeSymbolicLink(to target: String, at path: FilePath) -> Errno? {
        path.withPlatformString { path in retried { Glibc.symlink(target, path) }.errno }
    }

    /// What a symbolic link leads to. `EINVAL` for anything else.
    static func readSymbolicLink(_ path: FilePath) -> Result<String, Errno> {
        var text = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = path.withPlatformString { path in
            text.withUnsafeMutableBytes { text in
                retried { Glibc.readlink(path, text.baseAddress!.assumingMemoryBound(to: CChar.self), text.count) }
            }
        }
        return length.map { String(decoding: text[..<$0], as: UTF8.self) }
    }

    /// realpath(3): absolute, without links and dots.
    static func resolve(_ path: FilePath) -> Result<FilePath, Errno> {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        return path.withPlatformString { path in
            retried { realpath(path, &text) == nil ? -1 : 0 }.map { _ in FilePath(platformString: text) }
        }
    }

    static func currentFolder() -> Result<FilePath, Errno> {
        var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        return retried { getcwd(&text, text.count) == nil ? -1 : 0 }.map { _ in FilePath(platformString: text) }
    }

    /// What lies in a folder, in no order, without `.` and `..`; and whether it is a regular file, if the folder knows
    /// (readdir(3)).
    static func list(_ folder: FilePath) -> Result<[(name: String, isRegular: Bool?)], Errno> {
        var stream: OpaquePointer?
        let opened = folder.withPlatformString { path in
            retried {
                stream = opendir(path)
                return stream == nil ? -1 : 0
            }
        }
        if let errno = opened.errno { return .failure(errno) }
        defer { closedir(stream!) }
        var entries: [(name: String, isRegular: Bool?)] = []
        while true {
            errno = 0
            guard let entry = readdir(stream!) else {
                return errno == 0 ? .success(entries) : .failure(Errno(rawValue: errno))
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            let type = Int(entry.pointee.d_type)
            if name != ".", name != ".." { entries.append((name, type == Int(DT_UNKNOWN) ? nil : type == Int(DT_REG))) }
        }
    }

    static func makeFolder(_ path: FilePath, _ permissions: mode_t) -> Errno? {
        path.withPlatformString { path in retried { mkdir(path, permissions) }.errno }
    }

    /// Whether the file may be run by this process.
    static func mayRun(_ path: FilePath) -> Bool {
        path.withPlatformString { path in retried { access(path, X_OK) } }.errno == nil
    }

    /// All that is pending of the file system that the descriptor is on.
    static func syncFileSystem(_ descriptor: CInt) -> Errno? { retried { cfd_syncfs(descriptor) }.errno }

    /// Times of last access and modification, in nanoseconds since 1970.
    static func setModificationTime(_ descriptor: CInt, _ nanoseconds: Int64) -> Errno? {
        let time = timespec(tv_sec: time_t(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        return [time, time].withUnsafeBufferPointer { times in retried { futimens(descriptor, times.baseAddress) }.errno
        }
    }

    static func setPermissions(_ descriptor: CInt, _ permissions: mode_t) -> Errno? {
        retried { fchmod(descriptor, permissions) }.errno
    }

    static func setOwner(_ descriptor: CInt, _ user: uid_t, _ group: gid_t) -> Errno? {
        retried { fchown(descriptor, user, group) }.errno
    }

    // MARK: inotify(7)

    static func makeInotify() -> Result<CInt, Errno> {
        retried { inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK)) }.flatMap(above2)
    }

    static func addWatch(_ inotify: CInt, _ path: FilePath, _ events: UInt32) -> Result<CInt, Errno> {
        path.withPlatformString { path in retried { inotify_add_watch(inotify, path, events) } }
    }

    static func removeWatch(_ inotify: CInt, _ watch: CInt) { _ = retried { inotify_rm_watch(inotify, watch) } }
}
