// What `flush(.durable)` has to see to beyond the file that is open: the files that were left since, and the names of
// new ones.
//
// Until durability is asked for, a file that is left is closed and the kernel writes it when it likes; the first call
// that asks has the whole file system synchronised, once. From then on each file is synchronised when it is left.
import AsyncFD
import EventLoop

/// Loop thread only.
final class FileDurability {
    private let path: FilePath
    /// `flush(.durable)` has been called.
    var isWanted = false
    /// A file was left and not synchronised.
    private var hasUnsynchronized = false
    /// There is a name that is not known to be on the disk.
    private var hasNewName = false
    /// Files that are being synchronised, to be closed then.
    private var leaving = 0
    private var failure: IOError?
    private var waitingForAll: [UnsafeContinuation<Void, Never>] = []
    private var waitingForRoom: [() -> Void] = []

    private static let leavingLimit = 16

    init(_ path: FilePath) { self.path = path }

    func opened(isNew: Bool) { if isNew { hasNewName = true } }

    /// Closes a file, after it has been synchronised, if that is wanted.
    func leave(_ file: AsyncFD) {
        guard isWanted, file.kind == .file else {
            hasUnsynchronized = true
            return file.closeHere()
        }
        leaving += 1
        let path = path
        file.offloadIO { number in
            Result { () throws(IOError) in try FileSystem.sync(number, of: path) }
        } then: { [self] result in
            if case .failure(let error) = result { failure = error }
            file.closeHere()
            leaving -= 1
            if leaving < Self.leavingLimit { for body in take(&waitingForRoom) { body() } }
            if leaving == 0 { for continuation in take(&waitingForAll) { continuation.resume() } }
        }
    }

    /// Calls `body` when not too many files are being synchronised: now, usually.
    func whenThereIsRoom(_ body: @escaping () -> Void) {
        if leaving < Self.leavingLimit { body() } else { waitingForRoom.append(body) }
    }

    /// Suspends until everything but the open file is on the disk.
    func synchronize(_ file: AsyncFD?) async throws(IOError) {
        if leaving > 0 { await withUnsafeContinuation { waitingForAll.append($0) } }
        if let error = failure.take() { throw error }
        guard let file, hasUnsynchronized || hasNewName else { return }
        let (path, isMuch) = (path, hasUnsynchronized)
        (hasUnsynchronized, hasNewName) = (false, false)
        let result: Result<Void, IOError> = await withUnsafeContinuation { continuation in
            file.offloadIO { number in
                Result { () throws(IOError) in
                    if isMuch { try FileSystem.syncFileSystem(number, of: path) }
                    try FileSystem.syncFolder(path.removingLastComponent())
                }
            } then: {
                continuation.resume(returning: $0)
            }
        }
        guard case .failure(let error) = result else { return }
        hasNewName = true
        hasUnsynchronized = hasUnsynchronized || isMuch
        throw error
    }

    private func take<Element>(_ array: inout [Element]) -> [Element] {
        defer { array = [] }
        return array
    }
}
