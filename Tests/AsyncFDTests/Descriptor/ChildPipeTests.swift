// A pipe of ours as a standard stream of another program, which knows nothing of O_NONBLOCK.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("An end of a pipe in a child")
struct ChildPipeTests {
    @Test("a child that writes faster than we read loses nothing", arguments: [false, true])
    func childWrites(isSocket: Bool) throws {
        try EventLoop.run {
            let (ours, theirs) = isSocket ? try await AsyncFD.socketPair() : try await AsyncFD.pipe()
            let child = try ChildProcess(
                "/usr/bin/env", ["seq", "200000"], output: .descriptor(theirs.descriptor.rawValue),
                error: .descriptor(2))
            await theirs.close()
            // The pipe fills up before the first read.
            try await EventLoop.sleep(for: .milliseconds(200))
            var count = 0
            var last = ""
            for try await line in ours.lines {
                count += 1
                last = String(line)
            }
            #expect(try child.wait() == .exited(0))
            #expect(count == 200_000 && last == "200000")
            await ours.close()
        }
    }

    @Test("a child that reads before we write waits for us")
    func childReads() throws {
        try EventLoop.run {
            let (theirs, ours) = try await AsyncFD.pipe()
            let (output, result) = try await AsyncFD.pipe()
            let child = try ChildProcess(
                "/usr/bin/env", ["cksum"], input: .descriptor(theirs.descriptor.rawValue),
                output: .descriptor(result.descriptor.rawValue))
            await theirs.close()
            await result.close()
            try await EventLoop.sleep(for: .milliseconds(100))
            try await ours.write([UInt8](repeating: 0, count: 300_000))
            await ours.close()
            let said = String(decoding: try await output.readToEnd(limit: 1000), as: UTF8.self)
            #expect(try child.wait() == .exited(0))
            #expect(said.split(separator: " ").last == "300000\n")
            await output.close()
        }
    }

    @Test(
        "both ends are blocking for all other users, and not for us; those of a pipe of our own are not",
        arguments: [true, false])
    func flags(isShared: Bool) throws {
        try EventLoop.run {
            let (reader, writer) = try await AsyncFD.pipe(isShared: isShared)
            let (one, other) = try await AsyncFD.socketPair(isShared: isShared)
            for end in [reader, writer, one, other] {
                #expect((fcntl(end.descriptor.rawValue, F_GETFL) & O_NONBLOCK == 0) == isShared)
                #expect(fcntl(end.descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
                #expect(await !end.isBlocking)
            }
            async let writing: Void = writer.write(pattern(300_000))
            async let sending: Void = one.write(pattern(300_000))
            #expect(try await reader.gather(300_000) == pattern(300_000))
            #expect(try await other.gather(300_000) == pattern(300_000))
            try await writing
            try await sending
            for end in [reader, writer, one, other] { await end.close() }
        }
    }
}
