// A folder for the log files of one test.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

/// Reads what lies in a folder.
final class LogFolder {
    private let folder: TemporaryFolder
    private let given: String?

    /// - Parameter path: a folder that is there already, and stays.
    init(_ path: String? = nil) throws {
        folder = try TemporaryFolder()
        given = path
    }

    var path: String { given ?? folder.path }

    func file(_ name: String) -> String { path + "/" + name }
    func path(_ name: String) -> FilePath { FilePath(file(name)) }

    /// The names in it, in alphabetical order.
    var names: [String] {
        var names: [String] = []
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func bytes(_ name: String) -> [UInt8] {
        let descriptor = open(file(name), O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        return readAll(descriptor)
    }

    func text(_ name: String) -> String { String(decoding: bytes(name), as: UTF8.self) }

    /// The lines of a file, and whether the last one is whole.
    func lines(_ name: String) -> [String] {
        text(name).split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    /// How many descriptors of this process lead to files in it.
    var openFiles: Int {
        (0..<1024).count { number in
            var target = [UInt8](repeating: 0, count: 4096)
            let count = readlink("/proc/self/fd/\(number)", &target, target.count)
            return count > 0 && String(decoding: target.prefix(count), as: UTF8.self).hasPrefix(path + "/")
        }
    }

    func write(_ name: String, _ text: String) {
        let descriptor = open(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = Glibc.write(descriptor, text, text.utf8.count)
        close(descriptor)
    }

    func status(_ name: String) -> stat {
        var status = stat()
        lstat(file(name), &status)
        return status
    }

    func permissions(_ name: String) -> mode_t { status(name).st_mode & 0o7777 }

    /// When the file was last written to, in seconds since 1970.
    func setModified(_ name: String, _ second: Int) {
        let time = timespec(tv_sec: second, tv_nsec: 0)
        utimensat(AT_FDCWD, file(name), [time, time], 0)
    }

    /// What a compressed file holds.
    func unpacked(_ name: String) throws -> String {
        let output = try Pipe()
        let program = name.hasSuffix(".gz") ? "gzip" : "zstd"
        let child = try ChildProcess("/usr/bin/env", [program, "-dc", file(name)], output: .descriptor(output.writer))
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(name) is not whole")
        return text
    }
}

/// Messages alone, one a line.
var plain: TextFormatter {
    guard let pattern = try? TextPattern("{message}") else { preconditionFailure() }
    return TextFormatter(pattern: pattern)
}

/// Waits until something is so that happens on another thread or in another process; by the machine's clock.
func eventually(_ what: String, within seconds: Double = 60, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<Int(seconds * 500) {
        if try await condition() { return }
        await withUnsafeContinuation { continuation in
            EventLoop.current!.perform { continuation.resume() }
        }
        usleep(2000)
        await Task.yield()
    }
    Issue.record("it did not happen: \(what)")
}
