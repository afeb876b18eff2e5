// Starting a backend whose handlers can fail to be made: `start` throws, and the thread that was started for them
// ends.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Glibc
import Logging
import TestSupport
import Testing

@Suite("Starting a backend")
struct StartTests {
    private static func start(_ path: String, name: String) throws -> AsyncLogBackend {
        try AsyncLogBackend.start(name: name) { [try await FileHandler(FilePath(path), formatter: TextFormatter())] }
    }

    private static func threads(named name: String) -> Int {
        var count = 0
        guard let folder = opendir("/proc/self/task") else { return 0 }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let id = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var text = [UInt8](repeating: 0, count: 64)
            let file = open("/proc/self/task/\(id)/comm", O_RDONLY)
            guard file >= 0 else { continue }
            let size = read(file, &text, text.count)
            close(file)
            if String(decoding: text.prefix(max(0, size)), as: UTF8.self) == name + "\n" { count += 1 }
        }
        return count
    }

    @Test(
        "a path that cannot be opened is an error of start, with path and reason, and the thread ends",
        arguments: [true, false])
    func badPath(isAsynchronous: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/none/app.log"
        let name = isAsynchronous ? "bad-async" : "bad-sync"
        let error = await #expect(throws: IOError.self) {
            if isAsynchronous {
                _ = try await AsyncLogBackend.start(name: name) {
                    [try await FileHandler(FilePath(path), formatter: TextFormatter())]
                }
            } else {
                _ = try Self.start(path, name: name)
            }
        }
        #expect(error.map { "\($0)" }?.contains("open \"\(path)\": no such file or directory (ENOENT)") == true)
        for _ in 0..<5000 where Self.threads(named: name) > 0 { usleep(1000) }
        #expect(Self.threads(named: name) == 0)
    }

    @Test("a file is open, and its handler on the loop's own thread, when start returns", arguments: [true, false])
    func goodPath(isAsynchronous: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/app.log"
        func start() throws -> AsyncLogBackend { try Self.start(path, name: "good-sync") }
        let backend =
            isAsynchronous
            ? try await AsyncLogBackend.start(name: "good-async") {
                [try await FileHandler(FilePath(path), formatter: TextFormatter())]
            }
            : try start()
        #expect(access(path, F_OK) == 0)
        #expect(backend.logger.handlers.first?.loop.name == (isAsynchronous ? "good-async" : "good-sync"))
        let logger = Logging.Logger(label: "app", factory: { backend.handler(label: $0) })
        logger.info("m")
        #expect(await backend.logger.shutdown(within: .seconds(60)).written == 1)
    }

    @Test("a closure that neither waits nor throws is one, too, and so is one that only throws")
    func plainClosures() async throws {
        func start() throws { _ = try AsyncLogBackend.start(name: "plain") { [MemoryHandler()] } }
        try start()
        struct Refusal: Error {}
        @Sendable func refuse() throws -> [Handler] { throw Refusal() }
        await #expect(throws: Refusal.self) { _ = try await AsyncLogBackend.start(name: "refusing") { try refuse() } }
    }

    @Test("labels that are used once take no memory, and a level that was set for them is there again")
    func labels() async throws {
        let backend = try await AsyncLogBackend.start(name: "labels") { [MemoryHandler(capacity: 1)] }
        backend.apply(try Directives("info,request.*=error,request.7=debug"))
        for number in 0..<2000 {
            let logger = Logging.Logger(label: "request.\(number)", factory: { backend.handler(label: $0) })
            logger.error("m")
        }
        let again = Logging.Logger(label: "request.7", factory: { backend.handler(label: $0) })
        #expect(again.logLevel == .debug)
        #expect(Logging.Logger(label: "request.8", factory: { backend.handler(label: $0) }).logLevel == .error)
    }
}
