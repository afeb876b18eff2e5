// A program that ends while one of its files is being compressed: the compression is finished, or nothing of it is
// left.
#if DEBUG
import Glibc
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Compression at the end")
struct CompressionEndingTests {
    /// Runs LogProgram with a `gzip` of this shell script's making, on a kernel that has pidfd_open(2), or refuses it.
    /// Returns how many seconds it took.
    private func run(_ folder: LogFolder, hasPidfd: Bool, gzip script: String) throws -> Double {
        let programs = try LogFolder()
        programs.write("gzip", "#!/bin/sh\n\(script)\n")
        chmod(programs.file("gzip"), 0o755)
        let begin = ContinuousClock.now
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        let child = try ChildProcess(
            "LogProgram", ["compress", folder.path, hasPidfd ? "pidfd" : "no-pidfd"], error: .descriptor(2),
            environment: ["PATH": programs.path + ":" + path])
        #expect(try child.wait() == .exited(0))
        return (ContinuousClock.now - begin) / .seconds(1)
    }

    @Test(
        "one that goes on and on is ended, and its half of a file removed; the original stays, whether or not the kernel has pidfd_open",
        arguments: [true, false])
    func endless(hasPidfd: Bool) throws {
        let folder = try LogFolder()
        let script = "echo half; echo $$ > \(folder.file("pid")); touch \(folder.file("begun")); exec sleep 1000"
        let seconds = try run(folder, hasPidfd: hasPidfd, gzip: script)
        #expect(folder.names == ["app.log", "app.log.1", "begun", "pid"])
        #expect(seconds < 20, "the end was held up for \(seconds) s")
        let pid = try #require(pid_t(folder.text("pid").dropLast()))
        #expect(kill(pid, 0) != 0 && errno == ESRCH, "it still runs")
        #expect(
            folder.lines("app.log.1").first?.hasSuffix("old") == true
                && folder.lines("app.log").first?.hasSuffix("new") == true)
    }

    @Test("one that is about to be done is waited for", arguments: [true, false])
    func nearlyDone(hasPidfd: Bool) throws {
        let folder = try LogFolder()
        _ = try run(folder, hasPidfd: hasPidfd, gzip: "touch \(folder.file("begun")); sleep 0.3; cat")
        #expect(folder.names == ["app.log", "app.log.1.gz", "begun"])
        #expect(folder.lines("app.log.1.gz").first?.hasSuffix("old") == true)
    }
}
#endif
