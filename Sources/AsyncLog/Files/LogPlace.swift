// A log file's place in the file system, and the blocking work that is done there. Each function is one job for a
// thread of the pool; it begins with a look at the file system, not with what was remembered of it.
import AsyncFD

/// Everything that blocking work needs to know of one log file. The work of one place is done one job at a time.
struct LogPlace: Sendable {
    /// Absolute.
    let path: FilePath
    let permissions: FilePermissions
    let followsLink: Bool
    let createsFolders: Bool
    /// The byte with which each record ends; nil if the format has none.
    let recordEnd: UInt8?
    /// Nil: the file is not rotated.
    let names: RotatedNames?
    let keep: Retention
    let compressor: FilterProgram?
    let compressedSuffix: String
    let latest: FilePath?

    /// An open file.
    struct Opened: Sendable {
        let number: CInt
        let status: FileStatus
        /// Where it lies; the links of the path have been followed.
        let path: FilePath
        /// In the kernel's list of what is watched.
        let watch: FileWatcher.Watch?
        /// Why there is no link to it.
        let linkError: IOError?
        /// What the file before it is called now.
        var rotated: RotatedName?
    }

    /// What came of a look at the place, or of trying to change it.
    enum Outcome: Sendable {
        case opened(Opened)
        /// The file that is open is the one to write to.
        case unchanged(FileStatus)
        /// There is nothing at the path. The program that renamed the file is probably about to make a new one.
        case missing
        /// The file that is open has been removed, and no other can be opened, for this reason.
        case lost(IOError)
    }

    // MARK: Opening

    /// - Parameter inotify: to have the file watched.
    func open(_ inotify: CInt?) throws(IOError) -> Opened {
        let number = try openForAppending()
        do throws(IOError) {
            var status = try FileSystem.status(number, of: path)
            if let recordEnd, status.isRegular, let last = FileSystem.lastByte(number, size: status.size),
                last != recordEnd
            {
                // An earlier writer was cut off in the middle of a record. The torn line stays as it is.
                try FileSystem.append(recordEnd, to: number, of: path)
                status = try FileSystem.status(number, of: path)
            }
            let place = followsLink ? try FileSystem.resolve(path) : path
            let watch = status.isRegular ? inotify.flatMap { FileWatcher.watch(number, on: $0) } : nil
            return Opened(
                number: number, status: status, path: place, watch: watch, linkError: linkLatest(), rotated: nil)
        } catch {
            FileSystem.close(number)
            throw error
        }
    }

    private func openForAppending() throws(IOError) -> CInt {
        do throws(IOError) {
            return try FileSystem.openForAppending(path, permissions: permissions, followingLink: followsLink)
        } catch {
            guard error.code == .notFound, createsFolders else { throw error }
            try FileSystem.makeFolders(path.removingLastComponent())
            return try FileSystem.openForAppending(path, permissions: permissions, followingLink: followsLink)
        }
    }

    private func linkLatest() -> IOError? {
        guard let latest else { return nil }
        let folder = path.removingLastComponent()
        let link = folder.pushing(latest)
        // Side by side they may be moved together.
        let target = link.removingLastComponent() == folder ? path.lastComponent!.string : path.string
        do throws(IOError) {
            try FileSystem.link(link, to: target)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Looking

    /// Whether the file that is open as `number` is still the one at the path.
    func look(_ number: CInt) throws(IOError) -> Outcome {
        let own = try FileSystem.status(number, of: path)
        guard let there = try FileSystem.status(path, followingLink: followsLink) else { return .missing }
        return there.identity == own.identity ? .unchanged(own) : .missing
    }

    /// Opens what is at the path now, or makes a new file, unless the one that is open is the one at the path.
    ///
    /// - Parameter awaitsNewFile: if there is nothing at the path, let another program make a file.
    func reopen(_ number: CInt, awaitsNewFile: Bool, _ inotify: CInt?) throws(IOError) -> Outcome {
        let own = try FileSystem.status(number, of: path)
        let there = try FileSystem.status(path, followingLink: followsLink)
        if there == nil, awaitsNewFile { return .missing }
        if there?.identity == own.identity { return .unchanged(own) }
        return try openInstead(of: own, inotify)
    }

    /// Opens what is at the path, or a new file. Where that does not work the file that is open is written to on; but
    /// not if it has no name any more: what is written to it cannot be read.
    private func openInstead(of own: FileStatus, _ inotify: CInt?) throws(IOError) -> Outcome {
        do throws(IOError) {
            return .opened(try open(inotify))
        } catch {
            guard own.linkCount == 0 else { throw error }
            return .lost(error)
        }
    }

    // MARK: Rotating

    /// Gives the file that is open as `number` its rotated name and opens a new one.
    ///
    /// - Parameters:
    ///   - place: where it lies.
    ///   - moment: what its name says, in seconds since 1970.
    ///   - last: the name that was made before.
    ///   - limit: if it ends by its size: not if it is smaller than this, because another program has truncated it.
    func rotate(
        _ number: CInt, at place: FilePath, moment: Int64, after last: RotatedName?, ifLargerThan limit: Int64?,
        _ inotify: CInt?
    )
        throws(IOError) -> Outcome
    {
        guard let names else { return .unchanged(try FileSystem.status(number, of: path)) }
        let own = try FileSystem.status(number, of: path)
        guard own.isRegular, own.size > limit ?? 0 else { return .unchanged(own) }
        guard let there = try FileSystem.status(place, followingLink: false), there.identity == own.identity else {
            // Another program has rotated or removed it.
            return try openInstead(of: own, inotify)
        }
        let rotated = try rename(place, names, moment, last)
        do throws(IOError) {
            var opened = try open(inotify)
            opened.rotated = rotated
            return .opened(opened)
        } catch {
            try? FileSystem.rename(place.sibling(rotated.name), to: place)
            throw error
        }
    }

    private func rename(_ place: FilePath, _ names: RotatedNames, _ moment: Int64, _ last: RotatedName?) throws(IOError)
        -> RotatedName
    {
        if case .numbered = names.naming.kind {
            try makeRoom(place, names, try existing(place, names))
            try FileSystem.rename(place, to: place.sibling(names.numbered(1).name))
            return names.numbered(1)
        }
        // Behind the last name nothing of ours can be in the way.
        var name = names.next(moment, among: last == nil ? try existing(place, names) : [], after: last)
        while true {
            do throws(IOError) {
                try FileSystem.rename(place, to: place.sibling(name.name))
                return name
            } catch {
                guard error.code == .alreadyExists, name.order.sequence < 100_000 else { throw error }
                name = names.successor(of: name)
            }
        }
    }

    private func existing(_ place: FilePath, _ names: RotatedNames) throws(IOError) -> [RotatedName] {
        try FileSystem.list(place.removingLastComponent()).compactMap { names.parse($0) }
    }

    /// Moves 1 to 2, 2 to 3, …, from behind and only up to the first gap: at every moment each file has one name, and
    /// none is overwritten.
    private func makeRoom(_ place: FilePath, _ names: RotatedNames, _ existing: [RotatedName]) throws(IOError) {
        let taken = Dictionary(grouping: existing) { Int(-$0.order.second) }
        var free = 1
        while taken[free] != nil { free += 1 }
        while free > 1 {
            for file in taken[free - 1]! {
                try FileSystem.rename(
                    place.sibling(file.name), to: place.sibling(names.numbered(free, suffix: file.suffix).name))
            }
            free -= 1
        }
    }
}

extension FilePath {
    /// A file with this name in the same folder.
    func sibling(_ name: String) -> FilePath { removingLastComponent().appending(name) }
}
