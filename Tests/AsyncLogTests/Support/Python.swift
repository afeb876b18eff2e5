// Python's parsers, as judges who know nothing of this package.
import Glibc
import TestSupport

enum Python {
    /// Why there is no Python with these modules; nil if there is.
    static func missing(_ modules: String...) -> String? {
        let script = modules.map { "import \($0)" }.joined(separator: "\n")
        guard let child = try? ChildProcess("/usr/bin/env", ["python3", "-c", script]),
            (try? child.wait()) == .exited(0)
        else {
            return "no Python 3 with \(modules.joined(separator: ", "))"
        }
        return nil
    }

    static let withJSON = missing("json")
    static let withMessagePack = missing("msgpack")
    static let withZones = missing("zoneinfo")

    /// Runs a script that lies beside this file, with `input` as its standard input, and returns what it prints.
    static func run(_ script: String, _ arguments: [String], input: [UInt8]) throws -> String {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        var template = Array("/tmp/asynclog-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw SystemError(operation: "mkstemp", errno: errno) }
        unlink(template)
        defer { close(descriptor) }
        var written = 0
        while written < input.count {
            let count = input.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, input.count - written) }
            guard count > 0 else { throw SystemError(operation: "write", errno: errno) }
            written += count
        }
        lseek(descriptor, 0, SEEK_SET)
        let output = try Pipe()
        let child = try ChildProcess(
            "/usr/bin/env", ["python3", folder + "/" + script] + arguments, input: .descriptor(descriptor),
            output: .descriptor(output.writer),
            error: .descriptor(2))
        let text = String(decoding: output.readToEnd(), as: UTF8.self)
        guard try child.wait() == .exited(0) else { throw PythonError(script: script, output: text) }
        return text
    }
}

struct PythonError: Error {
    let script: String
    let output: String
}
