// LogLoad and logcheck, run as their users run them.
import Glibc
import TestSupport
import Testing

/// What a program said, and how it ended.
struct Outcome {
    var output: [UInt8] = []
    var error = ""
    var end = ChildProcess.End.exited(-1)

    var text: String { String(decoding: output, as: UTF8.self) }
    var lines: [String] { text.split(separator: "\n").map(String.init) }

    /// The value of a key of LogLoad's report: a number, or what stands in quotes or braces.
    func reported(_ key: String) -> String? {
        guard let begin = error.split(separator: "\n").last?.firstRange(of: "\"\(key)\": ")?.upperBound else {
            return nil
        }
        let rest = error[begin...]
        switch rest.first {
        case "{": return rest.firstIndex(of: "}").map { String(rest[...$0]) }
        case "\"": return rest.dropFirst().firstIndex(of: "\"").map { String(rest[rest.index(after: begin)..<$0]) }
        default: return String(rest.prefix { $0 != "," && $0 != "}" })
        }
    }

    func reportedNumber(_ key: String) throws -> Double {
        try #require(reported(key).flatMap(Double.init), "\(key) in \(error)")
    }
}

/// Runs a program with what it reads as a file, and reads what it writes.
func run(_ program: String, _ arguments: [String], input: ChildProcess.Stream = .null) throws -> Outcome {
    let output = try Pipe()
    let error = try Pipe()
    let child = try ChildProcess(
        program, arguments, input: input, output: .descriptor(output.writer), error: .descriptor(error.writer))
    error.closeWriter()
    var outcome = Outcome()
    outcome.output = output.readToEnd()
    outcome.error = readText(error.reader)
    outcome.end = try child.wait()
    return outcome
}

/// What logcheck says of these bytes.
func logcheck(_ bytes: [UInt8], _ arguments: [String] = []) throws -> Outcome {
    let folder = try TemporaryFolder()
    try write(bytes, to: folder.file("log"))
    return try run("logcheck", arguments, input: .path(folder.file("log"), flags: O_RDONLY))
}

func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw SystemError(operation: "open \(path)", errno: errno) }
    defer { close(file) }
    var done = 0
    while done < bytes.count {
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + done, bytes.count - done) }
        guard count > 0 else { throw SystemError(operation: "write \(path)", errno: errno) }
        done += count
    }
}

/// The names of what lies in a folder.
func names(in folder: String) throws -> [String] {
    guard let handle = opendir(folder) else { throw SystemError(operation: "opendir \(folder)", errno: errno) }
    defer { closedir(handle) }
    var names: [String] = []
    while let entry = readdir(handle) {
        names.append(
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            })
    }
    return names.filter { $0 != "." && $0 != ".." }.sorted()
}

/// What the kernel says a process is doing: `R` runs, `S` sleeps (proc(5)).
func state(of pid: pid_t) -> Character? {
    guard let text = try? readText(path: "/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
    return text[end...].dropFirst(2).first
}
