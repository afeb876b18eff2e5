// What only a whole process can show: its executors, its signals, its forks, its descriptors.
import Glibc
import TestSupport
import Testing

@Suite("Processes")
struct ProcessTests {
    /// Runs LoopProgram to its end; what it wrote to standard output and standard error, and how it ended.
    private func run(_ command: String) throws -> (output: String, error: String, end: ChildProcess.End) {
        let (output, error) = try (Pipe(), Pipe())
        let child = try ChildProcess(
            "LoopProgram", [command], output: .descriptor(output.writer), error: .descriptor(error.writer))
        output.closeWriter()
        error.closeWriter()
        let text = readText(output.reader)
        let complaint = readText(error.reader)
        return (text, complaint, try child.wait())
    }

    @Test(
        "Task, Task.detached, groups, the main actor and Task.sleep all live on the one thread, and sleep by the loop's timers"
    )
    func oneThread() throws {
        let (output, error, end) = try run("one-thread")
        #expect(output == "threads 1, timers 3, strays 0, at home [true, true], slept true\n")
        #expect(error == "")
        #expect(end == .exited(0))
    }

    @Test("on a manual clock Task.sleep goes by it, too")
    func manualClock() throws {
        #expect(try run("manual").output == "86415 s, late true\n")
    }

    @Test("run in a process that is in the middle of a task leaves its executors alone, and works")
    func insideTask() throws {
        #expect(try run("in-task").output == "on a loop true\n")
    }

    @Test("run can be called again when it has returned")
    func twice() throws {
        #expect(try run("twice").output == "run 1\nrun 2\n")
    }

    @Test("a killed wait is restarted: interrupted system calls neither end a sleep early nor lose an event")
    func interrupted() throws {
        #expect(try run("interrupted").output == "survived\n")
    }

    @Test(
        "where the kernel, or the container, has no epoll_pwait2, the loop waits by the millisecond",
        arguments: ["old-kernel", "old-container"])
    func withoutPwait2(command: String) throws {
        let (output, error, end) = try run(command)
        #expect(output == "woken by 1 byte\n")
        #expect(error == "")
        #expect(end == .exited(0))
    }

    @Test(
        "where the kernel refuses pidfd_open, the end of a child is told all the same, and waiting for it does not hold the loop up"
    )
    func withoutPidfd() throws {
        let (output, error, end) = try run("no-pidfd")
        #expect(
            output == "exited with 3, collected true\nkilled by SIGKILL, collected true\nnot known, collected true\n")
        #expect(error == "")
        #expect(end == .exited(0))
    }

    // MARK: Signals

    /// Starts LoopProgram and sends it a signal whenever it has said the next of `cues`.
    private func run(_ command: String, _ cues: [(line: String, signals: [CInt])]) throws -> (
        rest: String, end: ChildProcess.End
    ) {
        let output = try Pipe()
        let child = try ChildProcess("LoopProgram", [command], output: .descriptor(output.writer))
        output.closeWriter()
        for (line, signals) in cues {
            #expect(readLine(output.reader) == line)
            for signal in signals { child.signal(signal) }
        }
        return (readText(output.reader), try child.wait())
    }

    private func readLine(_ descriptor: CInt) -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    @Test("a signal stops the body, which may take its time; a signal that was ignored stays ignored")
    func gracefulStop() throws {
        let (rest, end) = try run("stop", [("ready", [SIGINT, SIGTERM])])
        #expect(rest == "stopping\nstopped by SIGTERM\n")
        #expect(end == .exited(0))
    }

    @Test("a server that is told to stop still says goodbye to its clients, and then ends")
    func goodbye() throws {
        let (rest, end) = try run("goodbye", [("ready", [SIGTERM])])
        #expect(rest == "going away\nended\n")
        #expect(end == .exited(0))
    }

    @Test("a body that does not stop is killed by the second signal", arguments: [SIGTERM, SIGINT])
    func stubborn(second: CInt) throws {
        let (rest, end) = try run("stubborn", [("ready", [SIGTERM]), ("no", [second])])
        #expect(rest == "")
        #expect(end == .signalled(second))
    }

    @Test("the second signal kills even when a job holds the loop")
    func stuck() throws {
        let (_, end) = try run("stuck", [("ready", [SIGTERM]), ("heard", [SIGTERM])])
        #expect(end == .signalled(SIGTERM))
    }

    @Test("a signal without a subscription left does what it does by default")
    func defaultAgain() throws {
        let (rest, end) = try run("default-again", [("ready", [SIGTERM]), ("SIGTERM", []), ("again", [SIGTERM])])
        #expect(rest == "")
        #expect(end == .signalled(SIGTERM))
    }

    @Test(
        "a signal that was sent during a subscription does not kill when it arrives after the last subscription has ended"
    )
    func lateSignal() throws {
        let (output, _, end) = try run("late-signal")
        #expect(output == "alive\n")
        #expect(end == .exited(0))
    }

    // MARK: Fork and exec

    @Test(
        "a forked child that uses its parent's loop is told so, and the parent's loop works on",
        arguments: ["fork-call", "fork-turn"])
    func fork(command: String) throws {
        let (output, error, end) = try run(command)
        #expect(output.hasPrefix("killed by SIG"))
        #expect(error.contains("event loop \"main\" belongs to the process from which this one was forked"))
        #expect(end == .exited(0))
    }

    @Test("a forked child may have a loop of its own")
    func loopInFork() throws {
        let (output, error, end) = try run("fork-run")
        #expect(output == "in the child\nexited with 0\n")
        #expect(error == "")
        #expect(end == .exited(0))
    }

    @Test("a forked child's exit does not write its parent's output a second time")
    func forkAndExit() throws {
        #expect(try run("fork-exit").output == "once\n")
    }

    @Test("a program that is started inherits none of the loop's descriptors")
    func closeOnExec() throws {
        let (output, error, end) = try run("descriptors")
        // Standard input, output, error, and the folder that ls reads.
        #expect(output == "used\n0\n1\n2\n3\n")
        #expect(error == "")
        #expect(end == .exited(0))
    }
}
