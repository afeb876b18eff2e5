// The shutdown of a server: records that services log meanwhile are written, and a destination that takes nothing
// delays the shutdown no longer than the deadline.
import AsyncFD
import AsyncLog
import AsyncLogBridge
import AsyncLogLifecycle
import EventLoop
import Glibc
import Logging
import ServiceLifecycle
import Synchronization
import SystemPackage
import TestSupport
import Testing

@Suite("The logger as a service")
struct LifecycleTests {
    /// A server that logs when it ends.
    private struct Server: Service {
        let logger: Logging.Logger

        func run() async throws {
            logger.info("up")
            try? await gracefulShutdown()
            logger.info("closing")
            for number in 0..<100 { logger.info("connection \(number) closed") }
        }
    }

    private func group(_ services: [any Service], _ label: Logging.Logger, deadline: Duration? = nil) -> ServiceGroup {
        var configuration = ServiceGroupConfiguration(services: services.map { .init(service: $0) }, logger: label)
        configuration.maximumGracefulShutdownDuration = deadline
        return ServiceGroup(configuration: configuration)
    }

    @Test("records that services log while they shut down are in the kernel when the group has ended")
    func orderlyEnd() async throws {
        let pipe = try Pipe()
        let writer = pipe.writer
        let backend = try await AsyncLogBackend.start(name: "log-orderly") {
            [
                StreamHandler(
                    AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe"), formatter: TextFormatter())
            ]
        }
        let logger = Logging.Logger(label: "server") { backend.handler(label: $0) }
        let group = group(
            [LoggerService(backend.logger), Server(logger: logger)],
            Logging.Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
        let run = Task { try await group.run() }
        while await backend.logger.ledger.accepted == 0 { try await Task.sleep(for: .milliseconds(1)) }
        await group.triggerGracefulShutdown()
        try await run.value
        let ledger = await backend.logger.ledger
        #expect(ledger.balances && ledger.written == 102 && ledger.pending == 0 && ledger.droppedTotal == 0)
        let text = String(decoding: pipe.drain(), as: UTF8.self).split(separator: "\n")
        #expect(text.count == 102 && text.last?.hasSuffix("connection 99 closed") == true)
    }

    @Test("a reader that has stopped does not hold the group up beyond its deadline; what is lost is counted")
    func deadline() async throws {
        let pipe = try Pipe()
        let writer = pipe.writer
        let backend = try await AsyncLogBackend.start(name: "log-deadline") {
            [
                StreamHandler(
                    AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe"), formatter: TextFormatter())
            ]
        }
        let logger = Logging.Logger(label: "server") { backend.handler(label: $0) }
        let text = String(repeating: "x", count: 1000)
        for _ in 0..<200 { logger.info("\(text)") }
        let group = group(
            [LoggerService(backend.logger)], Logging.Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() },
            deadline: .milliseconds(50))
        let run = Task { try? await group.run() }
        await group.triggerGracefulShutdown()
        _ = await run.value  // for ever, if it waits for the reader
        let ledger = await backend.logger.ledger
        #expect(ledger.balances && ledger.accepted == 200 && ledger.pending == 0)
        #expect(ledger.dropped == [.timeout: ledger.droppedTotal] && ledger.droppedTotal > 0)
    }

    @Test("a group that is cancelled still has its lines written")
    func cancellation() async throws {
        let pipe = try Pipe()
        let writer = pipe.writer
        let backend = try await AsyncLogBackend.start(name: "log-cancel") {
            [
                StreamHandler(
                    AsyncFD(borrowing: FileDescriptor(rawValue: writer), label: "the pipe"), formatter: TextFormatter())
            ]
        }
        let logger = Logging.Logger(label: "server") { backend.handler(label: $0) }
        let group = group(
            [LoggerService(backend.logger)], Logging.Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() })
        let run = Task { try? await group.run() }
        for _ in 0..<10 { logger.info("m") }
        run.cancel()
        _ = await run.value
        let ledger = await backend.logger.ledger
        #expect(ledger.written == 10 && ledger.balances)
    }
}

extension Pipe {
    /// Reads the available bytes, without waiting.
    func drain() -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            var poll = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&poll, 1, 0) == 1 else { return bytes }
            let count = read(reader, &buffer, buffer.count)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }
}
