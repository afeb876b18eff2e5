// The source of a log: a file, a compressed file, or standard input.
import Foundation

/// A file cannot be read, or is no log.
struct UnreadableInput: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path): \(reason)" }
}

/// One file of a log.
struct Input {
    private let path: String
    private let format: Format

    /// The files in the order in which they were written. That is the order of their first records, if records come in
    /// order; else the order of the arguments. Files without a record come last. A half-done compression is not a part
    /// of the log: its original is still there.
    static func inOrder(_ paths: [String], _ format: Format?, _ order: LogCheck.Order) throws -> [Input] {
        if paths == ["-"] { return [Input(path: "-", format: try format ?? Input.formatOfStandardInput())] }
        var inputs: [(first: Int, input: Input)] = []
        for path in paths where !path.hasSuffix(".partial") {
            guard let format = try format ?? Input.format(of: path) else { continue }  // an empty file
            let input = Input(path: path, format: format)
            var first = Int.max
            try input.forEachEntry { entry in
                guard case .record(let seq, _) = entry else { return true }
                first = seq
                return false
            }
            inputs.append((first, input))
        }
        switch order {
        case .acceptance: return inputs.sorted { $0.first < $1.first }.map(\.input)
        case .task: return inputs.map(\.input)
        }
    }

    private static func format(of path: String) throws -> Format? {
        var beginning: [UInt8] = []
        try withChunks(of: path) { chunk in
            beginning += chunk
            return beginning.count < 64
        }
        if beginning.isEmpty { return nil }
        guard let format = Format(beginning: beginning) else {
            throw UnreadableInput(path: path, reason: "no log of LogLoad: say --format")
        }
        return format
    }

    // MARK: Entries

    /// Calls `body` with each entry until it returns false. A torn record at the end is an entry, too.
    func forEachEntry(_ body: (Entry) -> Bool) throws {
        var rest: [UInt8] = []
        var isDone = false
        try Input.withChunks(of: path) { chunk in
            rest += chunk
            let used = rest.withUnsafeBytes { takeEntries($0, &isDone, body) }
            rest.removeFirst(used)
            return !isDone
        }
        if !isDone, !rest.isEmpty { _ = body(.torn(String(decoding: rest.prefix(200), as: UTF8.self))) }
    }

    /// Returns the number of bytes in whole entries.
    private func takeEntries(_ bytes: UnsafeRawBufferPointer, _ isDone: inout Bool, _ body: (Entry) -> Bool) -> Int {
        var at = 0
        while at < bytes.count, !isDone {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
            if format == .msgpack {
                switch MessagePackReader.next(rest) {
                case .incomplete: return at
                case .entry(let entry, let size):
                    isDone = !body(entry)
                    at += size
                case .garbage(let size):
                    isDone = !body(.torn("\(size) bytes"))
                    at += size
                }
            } else {
                guard let end = memchr(rest.baseAddress!, 0x0A, rest.count) else { return at }
                let size = UnsafeRawPointer(end) - rest.baseAddress!
                isDone =
                    size == 0 ? !body(.torn("")) : !body(format.parse(UnsafeRawBufferPointer(rebasing: rest[..<size])))
                at += size + 1
            }
        }
        return at
    }

    // MARK: Bytes

    /// Standard input can be read only once: this reads its first chunk to find the format, and keeps it.
    private static func formatOfStandardInput() throws -> Format {
        while kept.count < 64, let chunk = try FileHandle.standardInput.read(upToCount: 1 << 16), !chunk.isEmpty {
            kept += chunk
        }
        if kept.isEmpty { return .text }
        guard let format = Format(beginning: kept) else {
            throw UnreadableInput(path: "standard input", reason: "no log of LogLoad: say --format")
        }
        return format
    }
    nonisolated(unsafe) private static var kept = Data()

    /// Calls `body` with pieces of the contents, decompressed, until it returns false.
    private static func withChunks(of path: String, _ body: (Data) throws -> Bool) throws {
        if path == "-" {
            if !kept.isEmpty, try !body(kept) { return }
            return try read(.standardInput, body)
        }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw UnreadableInput(path: path, reason: String(cString: strerror(errno)))
        }
        let tools = [".gz": "gzip", ".zst": "zstd"]
        guard let tool = tools.first(where: { path.hasSuffix($0.key) })?.value else { return try read(file, body) }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool, "-dc"]
        process.standardInput = file
        process.standardOutput = pipe
        do { try process.run() } catch { throw UnreadableInput(path: path, reason: "\(tool): \(error)") }
        var isWhole = true
        try read(pipe.fileHandleForReading) { chunk in
            isWhole = try body(chunk)
            return isWhole
        }
        try? pipe.fileHandleForReading.close()
        process.waitUntilExit()
        if isWhole, process.terminationStatus != 0 {
            throw UnreadableInput(path: path, reason: "\(tool) -dc ended with status \(process.terminationStatus)")
        }
    }

    private static func read(_ file: FileHandle, _ body: (Data) throws -> Bool) throws {
        while let chunk = try file.read(upToCount: 1 << 18), !chunk.isEmpty, try body(chunk) {}
    }
}
