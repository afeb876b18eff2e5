// A loop that has ended, and that has no references, is freed: with its epoll descriptor, its threads' work and its
// handlers.
import AsyncFD
import EventLoop
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Lifetime of loops")
struct LoopLifetimeTests {
    /// The uses of a loop before it ended.
    enum Use: CaseIterable {
        case nothing, sleep, offload, pipe, regularFile, badDescriptor, file, rotatedFile, closedFile, syncFile,
            unwritableFile, memory,
            standardError, print,
            readFile, writtenFile, spool, socket, refusedSocket, limited, once, deduplicated, fallback
    }

    @Test("a loop is freed when it has ended, whatever it was used for", arguments: Use.allCases)
    func gone(use: Use) throws {
        weak var loop: EventLoop?
        let folder = try LogFolder()
        let (pipe, sink) = (try Pipe(), try Sink())
        try onLoop {
            loop = EventLoop.current
            switch use {
            case .nothing: break
            case .sleep: try await EventLoop.sleep(for: .microseconds(1))
            case .offload: try await EventLoop.offload {}
            case .pipe: await Logger("app", handlers: [StreamHandler(pipe.descriptor, formatter: plain)]).info("m")
            case .regularFile:
                await Logger("app", handlers: [StreamHandler(sink.descriptor, formatter: plain)]).info("m")
            case .badDescriptor:
                let none = AsyncFD(borrowing: FileDescriptor(rawValue: 1_000_000), label: "nothing")
                await Logger("app", handlers: [StreamHandler(none, formatter: plain)]).info("m")
            case .unwritableFile:
                func make() throws -> Logger {
                    Logger("app", handlers: [try FileHandler(folder.path("none/app.log"), formatter: plain)])
                }
                try make().nowait.info("m")
            case .file:
                await Logger("app", handlers: [try await FileHandler(folder.path("app.log"), formatter: plain)]).info(
                    "m")
            case .syncFile:
                func make() throws -> Logger {
                    Logger("app", handlers: [try FileHandler(folder.path("app.log"), formatter: plain)])
                }
                try make().nowait.info("m")
            case .rotatedFile:
                let handler = try await FileHandler(
                    folder.path("app.log"), formatter: plain, rotation: Rotation(.size(10), keep: .count(1)))
                let logger = Logger("app", handlers: [handler])
                for index in 0..<10 { await logger.info("line \(index)") }
            case .closedFile:
                let handler = try await FileHandler(folder.path("app.log"), formatter: plain)
                await Logger("app", handlers: [handler]).info("m")
                await handler.close()
            case .memory: await Logger("app", handlers: [MemoryHandler()]).info("m")
            case .limited:
                let limited = Logger("app", handlers: [MemoryHandler()]).limited(to: 1, per: .seconds(3600))
                for _ in 0..<5 { await limited.info("m") }
            case .once:
                let once = Logger("app", handlers: [MemoryHandler()]).once
                for _ in 0..<5 { await once.info("m") }
            case .deduplicated:
                let unique = Logger("app", handlers: [MemoryHandler()]).deduplicated(within: .seconds(3600))
                for _ in 0..<5 { await unique.info("m") }
            case .fallback:
                let handler = StreamHandler(pipe.descriptor, formatter: plain)
                handler.reportTroubles(to: FlightRecorder(of: 1000, dumpingTo: MemoryHandler()))
                await Logger("app", handlers: [handler]).info("m")
            case .standardError:
                await Logger("app", handlers: [StreamHandler(.standardError, formatter: plain)]).debug("m")
            case .print: await print("m", to: pipe.descriptor)
            case .readFile:
                folder.write("a", "text")
                let file = try await open(folder.path("a"), .readOnly)
                _ = try await file.read(upTo: 10)
                await file.close()
            case .writtenFile:
                let file = try await open(folder.path("a"), .writeOnly, options: [.create])
                try await file.write("m")
                await file.close()
            case .refusedSocket:
                let logger = Logger(
                    "app", handlers: [SocketHandler(.tcp("127.0.0.1", port: Ports.next()), formatter: plain)])
                await logger.info("m")
            case .socket, .spool:
                let server = try await LogServer()
                let handler = SocketHandler(
                    .tcp("127.0.0.1", port: server.port), formatter: plain,
                    spool: use == .spool ? .disk(folder.file("spool")) : .memory())
                let logger = Logger("app", handlers: [handler])
                await logger.info("m")
                await logger.shutdown(within: .seconds(60))
                await server.vanish()
            }
        }
        // A thread of the pool may have the last reference for a moment, until it has stored its result.
        for _ in 0..<1000 where loop != nil { usleep(1000) }
        #expect(loop == nil)
    }
}
