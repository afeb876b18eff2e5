// A Hummingbird server with an access log. If the reader of standard output stops, the server stops too with
// `StreamLogHandler`; with `AsyncLogHandler` it goes on.
//
//     swift run -c release HummingbirdServer [--port 8080] [--handler asynclog|stream]
//     curl localhost:8080/hello/world
//
// The server keeps its runtime: NIO's threads serve requests. The logger lives on an event loop with a thread of its
// own.
import AsyncLogBridge
import AsyncLogLifecycle
import Hummingbird
import Logging
import ServiceLifecycle

@main
struct HummingbirdServer {
    static func main() async throws {
        let arguments = try Arguments(CommandLine.arguments.dropFirst())
        var services: [any Service] = []
        if arguments.usesStreamLogHandler {
            LoggingSystem.bootstrap(StreamLogHandler.standardOutput)
        } else {
            LoggingSystem.bootstrap(AsyncLogHandler.standard)  // the one line
            // The service ends last when the server shuts down: all records logged until then are written.
            services.append(LoggerService(AsyncLogBackend.standard.logger, within: .seconds(5)))
        }

        let router = Router()
        router.add(middleware: AccessLog())
        router.get("hello/:name") { _, context in "Hello, \(context.parameters.get("name") ?? "world")!\n" }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: arguments.port)),
            services: services,
            logger: Logger(label: "server"))
        try await application.runService()
    }
}

/// Logs a line for each answered request. Hummingbird puts the request's id into the logger's own metadata.
struct AccessLog<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        let took = ContinuousClock.now - start
        context.logger.info(
            "request",
            metadata: [
                "method": .string(request.method.rawValue), "path": .string(request.uri.path),
                "status": .stringConvertible(response.status.code),
                "took": .stringConvertible(took),
            ])
        return response
    }
}

/// The options of the command line.
struct Arguments {
    var port = 8080
    var usesStreamLogHandler = false

    init(_ arguments: some Sequence<String>) throws {
        var rest = Array(arguments)[...]
        while let option = rest.popFirst() {
            switch (option, rest.popFirst()) {
            case ("--port", let value?):
                guard let port = Int(value), (0...65_535).contains(port) else {
                    throw Misuse(reason: "--port \(value): no port")
                }
                self.port = port
            case ("--handler", "stream"): usesStreamLogHandler = true
            case ("--handler", "asynclog"): usesStreamLogHandler = false
            default: throw Misuse(reason: "usage: HummingbirdServer [--port PORT] [--handler asynclog|stream]")
            }
        }
    }
}

struct Misuse: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}
