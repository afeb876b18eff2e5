// Two objects for one descriptor that other code owns: what each of them keeps open, and for how long.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncFD
@testable import EventLoop

@Suite("Two users of one borrowed descriptor")
struct TwoUsersTests {
    enum Ending: CaseIterable { case closed, letGo, idle }

    @Test(
        "the reader gets the end of the stream when the owner closes, whatever its two users had to wait for before",
        arguments: Ending.allCases
    )
    func endOfFile(ending: Ending) throws {
        let pipe = try Pipe()
        try EventLoop.run {
            var users: [AsyncFD] = (0..<2).map { _ in AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer)) }
            let reader = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            let size = 200_000
            let writes = users.map { user in
                Task(executorPreference: EventLoop.current!) { try await user.write(pattern(size)) }
            }
            await settle()
            #expect(try await reader.gather(2 * size).count == 2 * size)
            for write in writes { try await write.value }
            switch ending {
            case .closed: for user in users { await user.close() }
            case .letGo: users = []
            case .idle: break
            }
            await settle()
            pipe.closeWriter()
            let end = try await withTimeout(.seconds(5)) { try await reader.read(upTo: 1) }
            #expect(end == [])
            withExtendedLifetime(users) {}
        }
    }

    @Test("the same with prints, which keep their descriptor")
    func endOfFileAfterPrints() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let users: [AsyncFD] = (0..<2).map { _ in AsyncFD(borrowing: FileDescriptor(rawValue: pipe.writer)) }
            let reader = AsyncFD(borrowing: FileDescriptor(rawValue: pipe.reader))
            let text = String(repeating: "x", count: 199_999)
            for user in users { await print(text, to: user) }
            await settle()
            #expect(try await reader.gather(400_000).count == 400_000)
            for user in users { try await user.flushPrints() }
            pipe.closeWriter()
            let end = try await withTimeout(.seconds(5)) { try await reader.read(upTo: 1) }
            #expect(end == [])
        }
    }
}
