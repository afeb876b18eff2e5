// From one descriptor to another, inside the kernel where the two kinds allow it.
//
//     file → file              copy_file_range(2), off the loop
//     file → pipe or socket    sendfile(2), off the loop: the file's pages may have to come from a disk
//     pipe → anything but a    splice(2), without waiting (a file as the destination: off the loop)
//     terminal, and socket → pipe
//     the rest, and what the   read and write
//     kernel refuses (EINVAL)
//
// splice moves nothing but pages' owners; not a byte is copied. Sockets take part only if they are ours: on a borrowed
// one, which may be blocking, the kernel would wait.
import CAsyncFD
import EventLoop
import Glibc
import SystemPackage

/// Copies everything from `source`, to its end, to `destination`. Returns how many bytes.
///
///     let count = try await copy(from: .standardInput, to: .standardOutput)
///
/// Both may be of any kind and stay open. Meanwhile no other task can read from `source`, and other writes to
/// `destination` come before or after.
///
/// - Throws: `IOError` of the side that failed; its `bytesWritten` says how many bytes arrived. What was read and could
///   not be written is kept, and is the next to be read from `source`; so after `.cancelled` the copy can be taken up
///   again.
/// - Complexity: one or two system calls per pipe's worth (64 KiB) or, between files, per 16 MiB.
@discardableResult
public func copy(from source: AsyncFD, to destination: AsyncFD) async throws(IOError) -> Int64 {
    guard source.loop === destination.loop else {
        throw IOError("copy", on: "\(source.label) to \(destination.label)", .differentLoops)
    }
    return try await source.reading { source async throws(IOError) in
        destination.pushBatchWriters()
        try await destination.takeTurn()
        defer { destination.leaveTurn() }
        var copying = Copying(source: source, destination: destination)
        do throws(IOError) {
            try await copying.run()
        } catch {
            var error = error
            error.bytesWritten = Int(copying.count)
            throw error
        }
        return copying.count
    }
}

/// One copy. Loop thread only.
private struct Copying {
    let source: AsyncFD
    let destination: AsyncFD
    private(set) var count: Int64 = 0

    /// Between two checks for cancellation and for other work of the loop.
    private static let step = 1 << 20
    private static let fileStep = 16 << 20

    init(source: AsyncFD, destination: AsyncFD) {
        self.source = source
        self.destination = destination
    }

    mutating func run() async throws(IOError) {
        try await writeBuffered()
        if let kernelPath, try await run(kernelPath) { return }
        while try await source.fillInput() { try await writeBuffered() }
    }

    /// What has been read already, by this copy or by an earlier read.
    private mutating func writeBuffered() async throws(IOError) {
        while !source.input.isEmpty {
            let written = try await destination.writeSome(source.input.bytes)
            source.input.consume(written)
            count += Int64(written)
        }
    }

    // MARK: Inside the kernel

    private struct KernelPath {
        let call: @Sendable (CInt, CInt, Int) -> IOOutcome
        let isOffLoop: Bool
        let step: Int
    }

    private var kernelPath: KernelPath? {
        let fromOurs = source.kind != .socket || source.isOurs
        let toOurs = destination.kind != .socket || destination.isOurs
        guard fromOurs, toOurs, !source.awaitsFirstByte else { return nil }
        switch (source.kind, destination.kind) {
        case (.file, .file): return KernelPath(call: Syscalls.copyFileRange, isOffLoop: true, step: Self.fileStep)
        case (.file, .pipe) where !destination.isOurs:
            return KernelPath(call: Syscalls.splice, isOffLoop: true, step: Self.step)
        case (.file, .socket), (.file, .pipe):
            return KernelPath(call: Syscalls.sendfile, isOffLoop: true, step: Self.step)
        case (.pipe, .file): return KernelPath(call: Syscalls.splice, isOffLoop: true, step: Self.step)
        case (.pipe, .pipe), (.pipe, .socket), (.socket, .pipe):
            return KernelPath(call: Syscalls.splice, isOffLoop: false, step: Self.step)
        // A device that epoll does not watch never blocks: /dev/null.
        case (.pipe, .characterDevice) where destination.isAlwaysReady(.write):
            return KernelPath(call: Syscalls.splice, isOffLoop: false, step: Self.step)
        default: return nil
        }
    }

    /// False: the kernel does not do it for these two; nothing was moved by the last call.
    private mutating func run(_ kernelPath: KernelPath) async throws(IOError) -> Bool {
        let from = source.descriptor.rawValue
        let to = destination.descriptor.rawValue
        var hasMoved = false
        cfd_survive_sigpipe()  // none of these calls has a flag against it
        while true {
            if Task.isCancelled { throw IOError("copy", on: source.label, .cancelled) }
            if source.isClosed { throw IOError("copy", on: source.label, .closed) }
            if destination.isClosed { throw IOError("copy", on: destination.label, .closed) }
            let outcome: IOOutcome
            if kernelPath.isOffLoop {
                // Both numbers stay open until the call is over.
                guard source.uses.begin() else { continue }
                outcome = await destination.offloadIO { kernelPath.call(from, $0, kernelPath.step) }
                source.endUse()
            } else {
                outcome = kernelPath.call(from, to, kernelPath.step)
            }
            switch outcome {
            // Some file systems (/proc) return no bytes to these calls, but do to read(2).
            case .bytes(0): return hasMoved || source.kind != .file
            case .bytes(let moved):
                count += Int64(moved)
                hasMoved = true
            case .wouldBlock: try await waitForEither()
            case .failed(.invalidArgument), .failed(Errno(rawValue: EXDEV)), .failed(.noFunction),
                .failed(.notSupportedOnSocket),
                .failed(.badFileDescriptor):
                return false
            case .failed(let errno): throw IOError("copy", on: "\(source.label) to \(destination.label)", errno)
            }
            if !kernelPath.isOffLoop { await source.loop.yieldIfSpent() }
        }
    }

    /// Would-block does not say which side blocks; poll(2) does.
    private func waitForEither() async throws(IOError) {
        if source.kind != .file, !Syscalls.isReady(source.descriptor.rawValue, events: POLLIN) {
            try await source.waitAnew(.read, "read")
        } else if !Syscalls.isReady(destination.descriptor.rawValue, events: POLLOUT) {
            try await destination.waitAnew(.write, "write")
        } else {
            // A pipe has a free slot only for whole pages, or another process was quicker: wait.
            await Task.yield()
        }
    }
}
