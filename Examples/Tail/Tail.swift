// Shows the end of a file and then what is added to it, like `tail -F`: through renames, truncation and re-creation.
//
//     swift run -c release Tail [-n lines] file
//
// The kernel says when to look (inotify(7)). The program then finds out what has happened: is the file shorter than the
// part already read, is the path another file by now? So lost or merged events do no harm.
import AsyncFD
import EventLoop
import SystemPackage
@preconcurrency import Glibc

@main
struct Tail {
    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        var lines = 10
        if arguments.count >= 2, arguments[0] == "-n", let number = Int(arguments[1]), number >= 0 {
            lines = number
            arguments.removeFirst(2)
        }
        guard arguments.count == 1, let name = arguments.first else {
            fputs("usage: Tail [-n lines] file\n", stderr)
            exit(2)
        }
        try EventLoop.run {
            var follower = try await Follower(FilePath(name), lines: lines)
            try await follower.run()
        }
    }
}

/// One path and the file that it leads to at the moment.
struct Follower {
    private let path: FilePath
    private let watch: Inotify
    private var file: AsyncFD?
    private var identity: FileIdentity?
    private var position: Int64 = 0

    init(_ path: FilePath, lines: Int) async throws {
        self.path = path
        watch = try Inotify()
        let folder = path.removingLastComponent()
        try watch.add(folder.isEmpty ? "." : folder, IN_CREATE | IN_MOVED_TO)
        try await openAgain()
        if let file { position = try await start(ofLast: lines, in: file) }
    }

    mutating func run() async throws {
        while true {
            try await showNews()
            if try await FileIdentity(of: path) != identity, try await openAgain() { continue }
            try await watch.wait()
        }
    }

    /// Prints the text that was added to the file.
    private mutating func showNews() async throws {
        guard let file else { return }
        if try await file.size < position {
            await print("Tail: \(path): file truncated", to: .standardError)
            position = 0
        }
        while case let bytes = try await file.read(at: position, upTo: 65_536), !bytes.isEmpty {
            position += Int64(bytes.count)
            try await AsyncFD.standardOutput.write(bytes)
        }
    }

    /// Opens the file at the path. Returns false if there is none; the old file is followed on, because another program
    /// may still write to it.
    @discardableResult
    private mutating func openAgain() async throws -> Bool {
        do {
            let next = try await open(path, .readOnly)
            try watch.add(path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)
            if let file {
                // The text written to the old file between the last look and the renaming.
                try await showNews()
                await print("Tail: \(path): following new file", to: .standardError)
                await file.close()
            }
            file = next
            identity = try await FileIdentity(of: next)
            position = 0
            return true
        } catch let error as IOError where error.code == .notFound {
            return false
        }
    }

    /// The offset at which the last `count` lines begin.
    private func start(ofLast count: Int, in file: AsyncFD) async throws -> Int64 {
        let size = try await file.size
        var end = size
        var left = count
        while end > 0 {
            let begin = max(0, end - 65_536)
            let bytes = try await file.read(at: begin, upTo: Int(end - begin))
            for index in bytes.indices.reversed() where bytes[index] == 0x0A && begin + Int64(index) != size - 1 {
                left -= 1
                if left <= 0 { return count == 0 ? size : begin + Int64(index) + 1 }
            }
            end = begin
        }
        return count == 0 ? size : 0
    }
}

/// The identity of a file, whatever its name.
struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let number: UInt64

    /// Nil if there is no file at the path. The lookup may read a disk, so it runs off the loop's thread.
    init?(of path: FilePath) async throws {
        let found: FileIdentity? = try await EventLoop.offload {
            var status = stat()
            return path.withPlatformString { stat($0, &status) } == 0 ? FileIdentity(status) : nil
        }
        guard let found else { return nil }
        self = found
    }

    init(of file: AsyncFD) async throws {
        let number = file.descriptor.rawValue
        self = try await EventLoop.offload {
            var status = stat()
            fstat(number, &status)
            return FileIdentity(status)
        }
    }

    private nonisolated init(_ status: stat) {
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
    }
}
