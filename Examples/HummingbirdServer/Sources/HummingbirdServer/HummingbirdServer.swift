// A Hummingbird server with an access log. With `StreamLogHandler` a reader of standard output that stops stops the server; with ours it does not.
//
//     swift run -c release HummingbirdServer [--port 8080] [--handler asynclog|stream]
//     curl localhost:8080/hello/world
//
// The server keeps its runtime: NIO's threads serve requests. The logger lives on an event loop with a thread of its own.
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
            // Goes last when the server shuts down: what was logged until then is written.
            services.append(LoggerService(AsyncLogBackend.standard.logger, within: .seconds(5)))
        }

        let router = Router()
        router.add(middleware: AccessLog())
        router.get("hello/:name") { _, context in "Hello, \(context.parameters.get("name") ?? "nobody")!\n" }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: arguments.port)), services: services,
            logger: Logger(label: "server"))
        try await application.runService()
    }
}

/// A line for each request, when it has been answered. The request's id is in the logger's own metadata: Hummingbird puts it there.
struct AccessLog<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        let took = ContinuousClock.now - start
        context.logger.info(
            "request",
            metadata: [
                "method": .string(request.method.rawValue), "path": .string(request.uri.path), "status": .stringConvertible(response.status.code),
                "took": .stringConvertible(took),
            ])
        return response
    }
}

/// What the command line says.
struct Arguments {
    var port = 8080
    var usesStreamLogHandler = false

    init(_ arguments: some Sequence<String>) throws {
        var rest = Array(arguments)[...]
        while let option = rest.popFirst() {
            switch (option, rest.popFirst()) {
            case ("--port", let value?):
                guard let port = Int(value), (0...65_535).contains(port) else { throw Misuse(reason: "--port \(value): no port") }
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
