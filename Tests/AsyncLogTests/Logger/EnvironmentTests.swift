// The environment variable ASYNCLOG, from outside: it belongs to the process.
import TestSupport
import Testing

@Suite("ASYNCLOG, in a child process")
struct EnvironmentTests {
    private func run(_ setting: String) throws -> (lines: Int, error: String) {
        let (output, error) = (try Pipe(), try Pipe())
        let child = try ChildProcess(
            "HelloLog", ["--tasks", "100"], output: .descriptor(output.writer), error: .descriptor(error.writer),
            environment: ["ASYNCLOG": setting])
        let lines = output.readToEnd().count { $0 == 10 }
        let text = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        return (lines, text)
    }

    @Test(
        "it overrides the levels of the standard loggers",
        arguments: [("off", 0), ("hello=error", 0), ("error,hel*=info", 100), ("", 100)])
    func levels(setting: String, lines: Int) throws {
        #expect(try run(setting) == (lines, ""))
    }

    @Test("a text that cannot be parsed is reported with the place, and has no other effect")
    func malformed() throws {
        let (lines, error) = try run("hello=lots")
        #expect(lines == 100)
        #expect(error.contains("\"lots\" is not a level") && error.contains("hello=lots\n      ^^^^"), "\(error)")
    }
}
