// swift-log on this package's loop: a server, the libraries that it uses, and its log, all on one thread.
//
//     swift run ServerOnLoop | cat
//
// Libraries log through swift-log, as they do everywhere. The server's own calls may do the same, or await:
// `await log.info(…)` suspends while a slow reader has filled the buffer.
import AsyncLogBridge
import EventLoop
import Logging

@main
struct ServerOnLoop {
    static func main() throws {
        try EventLoop.run {
            LoggingSystem.bootstrap(AsyncLogHandler.standard)  // within the loop: on this thread only
            let backend = AsyncLogBackend.standard
            backend.apply(try Directives("info,library=debug"))

            await withDiscardingTaskGroup { group in
                for id in 1...3 {
                    group.addTask { await serve(id, Library()) }
                }
            }
            backend.level = .warning
            Logger(label: "server").info("below the level by now")
            let ledger = await backend.logger.ledger
            await backend.logger["server"].warning("done", ["accepted": ledger.accepted, "balances": ledger.balances])
        }
    }

    private static func serve(_ id: Int, _ library: Library) async {
        var logger = Logger(label: "server")
        logger[metadataKey: "request"] = .stringConvertible(id)
        logger.info(
            "served", metadata: ["path": "/\(library.look(up: id))", "token": "\("s3cret", privacy: .private)"])
    }
}

/// A library that does not know this package.
private struct Library {
    private let logger = Logger(label: "library")

    func look(up id: Int) -> String {
        logger.debug("looked up", metadata: ["id": .stringConvertible(id)])
        return "page\(id)"
    }
}
