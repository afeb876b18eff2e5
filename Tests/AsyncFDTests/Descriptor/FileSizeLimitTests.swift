// A limit on the length of files (`ulimit -f`): the kernel raises SIGXFSZ, which ends a program that has made no
// provision.
import Glibc
import TestSupport
import Testing

@Suite("A limit on the length of files")
struct FileSizeLimitTests {
    /// A program with ThreadSanitizer does not even start under such a limit.
    @Test(
        "prints beyond it are lost and that is said; the program goes on to its end",
        .enabled(if: dlsym(nil, "__tsan_init") == nil))
    func prints() throws {
        let folder = try TemporaryFolder()
        let error = try Pipe()
        let script = "ulimit -f 4 && exec \"$0\" both-streams 100 >\"$1\""
        let child = try ChildProcess(
            "/bin/sh", ["-c", script, ChildProcess.path(of: "FDProgram"), folder.file("out")],
            error: .descriptor(error.writer))
        let said = String(decoding: error.readToEnd(), as: UTF8.self)
        #expect(try child.wait() == .exited(0))
        #expect(
            said.contains("standard output: ") && said.contains("prints lost: file too large (EFBIG)"),
            "standard error says: \(said.suffix(300))")
        #expect(said.contains("end of err 99"))
        #expect(!(try readAll(path: folder.file("out")).isEmpty))
    }
}
