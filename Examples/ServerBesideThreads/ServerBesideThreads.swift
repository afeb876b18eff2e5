// swift-log beside a foreign runtime: the program has its own threads and tasks, the log has a loop of its own.
//
//     swift run ServerBesideThreads | cat
//
// Records of any thread reach the loop through its inbox: one allocation and one compare-exchange, no lock, and no
// system call of the caller's except to wake a sleeping loop. If the reader of standard output stops, no thread waits
// for it.
import AsyncLogBridge
import AsyncLogLifecycle
import Logging
import ServiceLifecycle

@main
struct ServerBesideThreads {
    static func main() async throws {
        let backend = try await AsyncLogBackend.start(name: "log") {
            [StreamHandler(.standardOutput, formatter: JSONFormatter(), overflow: .shed(below: .warning))]
        }
        LoggingSystem.bootstrap(backend)

        // The logger stands first and ends last: records that the server logs on its way out are written.
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: LoggerService(backend.logger, within: .seconds(5))),
                    .init(service: Server(), successTerminationBehavior: .gracefullyShutdownGroup),
                ], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "group")))
        try await group.run()
    }
}

/// Serves on as many threads as Swift's own runtime has.
private struct Server: Service {
    func run() async throws {
        await withDiscardingTaskGroup { group in
            for id in 1...1000 {
                group.addTask {
                    var logger = Logger(label: "server")
                    logger[metadataKey: "request"] = .stringConvertible(id)
                    logger.info("served", metadata: ["path": "/page\(id)", "status": .stringConvertible(200)])
                }
            }
        }
        Logger(label: "server").notice("all served")
    }
}
