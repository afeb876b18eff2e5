// Opening things, and what regular files have and streams have not.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Open and files")
struct FileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> FilePath { FilePath(folder.file(name)) }

    @Test("an error of open names the operation, the path and the reason")
    func errors() throws {
        try EventLoop.run { () async throws in
            func error(_ path: FilePath, _ mode: FileDescriptor.AccessMode, _ options: FileDescriptor.OpenOptions = [])
                async -> IOError?
            {
                await failure { () throws(IOError) in _ = try await open(path, mode, options: options) }
            }
            #expect(
                await error("/no/such/file", .readOnly).map { "\($0)" }
                    == "open \"/no/such/file\": no such file or directory (ENOENT)")
            #expect(await error("/tmp", .readOnly).map { "\($0)" } == "open \"/tmp\": is a directory (EISDIR)")
            #expect(await error("/tmp", .writeOnly)?.code == .isDirectory)
            #expect(await error("/dev/null", .writeOnly, [.create, .exclusiveCreate])?.code == .alreadyExists)
            #expect(await error("/dev/null/x", .readOnly)?.errno == .notDirectory)
        }
    }

    @Test(
        "what is opened is closed on exec and is no controlling terminal",
        arguments: ["/dev/null", "/dev/ptmx", "/proc/self/status"])
    func flags(name: String) throws {
        try EventLoop.run {
            let descriptor = try await open(FilePath(name), .readOnly)
            #expect(fcntl(descriptor.descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
            #expect(descriptor.owns)
            await descriptor.close()
        }
    }

    @Test("close closes the number, which may be another file's a moment later")
    func closing() throws {
        try EventLoop.run {
            let file = try await open(path("closing"), .writeOnly, options: .create, permissions: .ownerReadWrite)
            let number = file.descriptor.rawValue
            var (before, after) = (stat(), stat())
            #expect(fstat(number, &before) == 0)
            await file.close()
            #expect(fstat(number, &after) == -1 || before.st_ino != after.st_ino || before.st_dev != after.st_dev)
        }
    }

    @Test("a file that is created has the permissions that were asked for")
    func permissions() throws {
        try EventLoop.run {
            let file = try await open(path("new"), .writeOnly, options: .create, permissions: .ownerReadWrite)
            try await file.write("hello\n")
            await file.close()
            var status = stat()
            stat(folder.file("new"), &status)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(status.st_size == 6)
        }
    }

    @Test("a FIFO without a peer holds up neither the loop nor the task that opens it for reading")
    func fifoReader() throws {
        mkfifo(folder.file("fifo"), 0o600)
        try EventLoop.run {
            let input = try await open(path("fifo"), .readOnly)
            async let text = input.read(upTo: 100)
            try await EventLoop.sleep(for: .milliseconds(5))
            let output = try await open(path("fifo"), .writeOnly)
            try await EventLoop.sleep(for: .milliseconds(5))
            try await output.write("hello")
            #expect(try await text == Array("hello".utf8))
            await output.close()
            #expect(try await input.read(upTo: 100).isEmpty)
            await input.close()
        }
    }

    @Test("a FIFO without a reader makes the task that opens it for writing wait, and the task can be cancelled")
    func fifoWriter() throws {
        mkfifo(folder.file("fifo"), 0o600)
        let fifo = path("fifo")
        try EventLoop.run {
            let opening = Task(executorPreference: EventLoop.current!) {
                await failure { () throws(IOError) in _ = try await open(fifo, .writeOnly) }
            }
            try await EventLoop.sleep(for: .milliseconds(5))
            opening.cancel()
            #expect(await opening.value?.code == .cancelled)
            async let output = open(fifo, .writeOnly)
            try await EventLoop.sleep(for: .milliseconds(5))
            let input = try await open(fifo, .readOnly)
            try await output.write("hello")
            #expect(try await input.read(upTo: 100) == Array("hello".utf8))
        }
    }

    @Test("positions, sizes and the disk")
    func positions() throws {
        try EventLoop.run {
            let file = try await open(path("file"), .readWrite, options: .create)
            try await file.write("0123456789")
            #expect(try await file.size == 10)
            #expect(try await file.position == 10)
            #expect(try await file.seek(to: 2) == 2)
            #expect(try await file.read(upTo: 3) == Array("234".utf8))
            #expect(try await file.seek(to: -2, from: .end) == 8)
            #expect(try await file.read(upTo: 100) == Array("89".utf8))
            #expect(try await file.read(upTo: 100).isEmpty)
            #expect(try await file.read(at: 4, upTo: 2) == Array("45".utf8))
            try await file.write(Array("XX".utf8), at: 4)
            #expect(try await file.position == 10)
            try await file.truncate(to: 7)
            try await file.sync()
            try await file.sync(.data)
            try await file.seek(to: 0)
            #expect(try await file.readToEnd(limit: 100) == Array("0123XX6".utf8))
            await file.close()
            #expect(await failure { () throws(IOError) in _ = try await file.size }?.code == .closed)
            #expect(await failure { () throws(IOError) in try await file.sync() }?.code == .closed)
            #expect(await failure { () throws(IOError) in try await file.write("x") }?.code == .closed)
        }
    }

    @Test("what was read ahead does not move the position that the caller sees")
    func readAhead() throws {
        try EventLoop.run {
            let file = try await open(path("file"), .readWrite, options: .create)
            try await file.write("one\ntwo\nthree\n")
            try await file.seek(to: 0)
            #expect(try await file.lines.makeAsyncIterator().next() == "one")
            #expect(try await file.position == 4)
            #expect(try await file.seek(to: 4, from: .current) == 8)
            #expect(try await file.lines.makeAsyncIterator().next() == "three")
            try await file.seek(to: 0)
            #expect(try await file.lines.makeAsyncIterator().next() == "one")
            try await file.write("TWO")
            try await file.seek(to: 0)
            #expect(try await file.readToEnd(limit: 100) == Array("one\nTWO\nthree\n".utf8))
            await file.close()
        }
    }

    @Test("many concurrent writes keep their order, stay whole, and share calls")
    func coalescing() throws {
        try EventLoop.run {
            let file = try await open(path("file"), .writeOnly, options: [.create, .append])
            let loop = EventLoop.current!
            let tasks = (0..<1000).map { number in
                Task(executorPreference: loop) { try await file.write("line \(number)\n") }
            }
            for task in tasks { try await task.value }
            await file.close()
            let input = try await open(path("file"), .readOnly)
            var expected = 0
            for try await line in input.lines {
                if line != "line \(expected)" { Issue.record("line \(expected) is \(line)") }
                expected += 1
            }
            #expect(expected == 1000)
            await input.close()
        }
    }

    @Test("a write to a file that waits for its turn can be cancelled; the others are not hurt")
    func cancelledFileWrite() throws {
        try EventLoop.run {
            let file = try await open(path("file"), .writeOnly, options: [.create])
            let loop = EventLoop.current!
            let big = Task(executorPreference: loop) { try await file.write(pattern(5_000_000)) }
            await Task.yield()
            let second = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await file.write("never") }
            }
            let third = Task(executorPreference: loop) { try await file.write("third") }
            await Task.yield()
            second.cancel()
            let error = await second.value
            try await big.value
            try await third.value
            #expect(error == nil || error?.code == .cancelled && error?.bytesWritten == 0)
            #expect(try await file.size == 5_000_005 + (error == nil ? 5 : 0))
            await file.close()
        }
    }

    @Test("closing lets a call that is under way finish, before the number can belong to another descriptor")
    func closeDuringCall() throws {
        try EventLoop.run {
            let file = try await open(path("file"), .writeOnly, options: [.create])
            let loop = EventLoop.current!
            let big = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await file.write(pattern(5_000_000)) }
            }
            let late = Task(executorPreference: loop) {
                await failure { () throws(IOError) in try await file.write("late") }
            }
            await settle()
            await file.close()
            let errors = await [big.value, late.value]
            #expect(errors[0] == nil && (errors[1] == nil || errors[1]?.code == .closed))
            var status = stat()
            stat(folder.file("file"), &status)
            #expect(status.st_size == 5_000_000 + (errors[1] == nil ? 4 : 0))
        }
    }

    @Test("a full device is a typed error that says how much went out")
    func noSpace() throws {
        // A limit on the size of files stands in for a full disk, in a child: SIGXFSZ concerns the whole process.
        let output = try TestSupport.Pipe()
        let child = try ChildProcess(
            "FDProgram", ["full-disk", folder.file("file")], output: .descriptor(output.writer))
        #expect(try child.wait() == .exited(0))
        #expect(
            String(decoding: output.readToEnd(), as: UTF8.self)
                == "write \"\(folder.file("file"))\": file too large (EFBIG) after 4096 bytes\n")
    }
}
