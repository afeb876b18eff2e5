// A TCP server that sends back the bytes that it gets: one thread, one task a connection, thousands of connections.
//
//     swift run -c release EchoServer --port 7000
//     nc 127.0.0.1 7000
//
// SIGTERM or Ctrl-C stops it in good order; a second signal stops it at once.
import ArgumentParser
import AsyncFD
import EventLoop
@preconcurrency import Glibc

@main
struct EchoServer: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sends back the bytes that it gets, on every connection.")

    @Option(help: "The port on 127.0.0.1 to listen on; 0 lets the kernel choose one.")
    var port: UInt16 = 7000

    @Flag(help: "Print the loop's counters on standard error at the end.")
    var stats = false

    func run() throws {
        allowManyDescriptors()
        try EventLoop.run(stopOn: [.terminate, .interrupt]) { try await serve() }
    }

    private func serve() async throws {
        let listener = try await Listener(on: .loopback(port: port))
        await print("listening on \(listener.address)", to: .standardError)
        await print("ready")
        try await AsyncFD.standardOutput.flushPrints()
        if stats { EventLoop.current?.onShutdown { await sayWhatWasDone() } }

        // The group ends when the listener's wait is cancelled; the tasks of the connections are cancelled with it.
        try await withThrowingDiscardingTaskGroup { group in
            for try await connection in listener {
                group.addTask { await echo(connection) }
            }
        }
    }

    /// Raises the limit of descriptors to what the administrator allows; a program starts with 1,024.
    private func allowManyDescriptors() {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Sends everything back until the client has sent everything. A connection that breaks ends here and disturbs no
/// other.
private func echo(_ connection: AsyncFD) async {
    do {
        while true {
            let bytes = try await connection.read(upTo: 65_536)
            if bytes.isEmpty { break }
            try await connection.write(bytes)
        }
    } catch {
        if error.code != .cancelled && error.code != .brokenPipe { await print(error, to: .standardError) }
    }
    await connection.close()
}

private func sayWhatWasDone() async {
    guard let metrics = EventLoop.current?.metrics else { return }
    await print("\(metrics.turns) turns, \(metrics.jobs) jobs, \(metrics.events) events", to: .standardError)
}
