// A record that may still come keeps alive what it needs, and everything else is freed: on real processes, whose memory
// is measured.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Lifetimes")
struct LifetimeTests {
    /// Runs one scenario of Lifetimes.swift to its end; returns its standard output and standard error.
    private func run(_ way: String, _ count: Int = 0, environment: [String: String] = [:]) throws -> (
        output: String, error: String
    ) {
        let (output, error) = (try Pipe(), try Pipe())
        let child = try ChildProcess(
            "LogProgram", ["lifetimes", way, "\(count)"], output: .descriptor(output.writer),
            error: .descriptor(error.writer),
            environment: environment)
        let said = String(decoding: output.readToEnd(), as: UTF8.self)
        let complaints = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0), "\(complaints)")
        return (said, complaints)
    }

    @Test("the report of a limited logger is logged in its name although its whole tree has been freed")
    func limitedTreeGoes() throws {
        #expect(try run("limited-tree-goes").output == "reports 50 50 2000\n")
    }

    @Test("a flight recorder may keep a report longer than the objects that made it live")
    func recorderAsFallback() throws {
        #expect(try run("recorder-as-fallback").output == "reports 20 [\"asynclog\"]\n")
    }

    /// AddressSanitizer keeps freed memory in quarantine, and ThreadSanitizer keeps notes of its accesses.
    @Test(
        "a hundred thousand loggers, handlers or formatters that are made and freed leave no memory behind",
        .enabled(if: dlsym(nil, "__asan_init") == nil && dlsym(nil, "__tsan_init") == nil),
        arguments: ["formatters", "limited", "labels", "labels-of-threads"])
    func nothingStays(way: String) throws {
        let output = try run(way, way == "formatters" ? 20_000 : 100_000).output
        let grown = try #require(output.firstMatch(of: /grown (-?[0-9]+)/).flatMap { Int($0.1) }, "\(output)")
        #expect(grown < 12_000_000, "the process has grown by \(grown) bytes")
    }

    @Test("each report on standard error is one line, without a character that controls a terminal")
    func escaped() throws {
        let text = try run("throwing", environment: ["ASYNCLOG": "info,\u{1B}[2J\n2026-11-22 INFO forged\r\u{202E}=x"])
            .error
        let lines = text.split(separator: "\n")
        #expect(
            lines.count { $0.contains("no\\u{1b}[2J\\n2026-11-22T08:27:00.000000Z INFO app: forged\\r\\u{202e}txt") }
                == 2, "\(text)")
        #expect(
            !text.unicodeScalars.contains { $0 != "\n" && ($0.value < 0x20 || $0 == "\r" || $0 == "\u{202E}") },
            "\(text)")
        #expect(
            !lines.contains { $0.hasPrefix("2026-11-22") && $0.contains("forged") && !$0.contains("asynclog") },
            "\(text)")
        #expect(lines.contains { $0.contains("ASYNCLOG is ignored") }, "\(text)")
    }
}
