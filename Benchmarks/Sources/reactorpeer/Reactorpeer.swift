// The event loop on the workloads by which event loops are compared, written as a user would write them: tasks, async and
// await.
//
//     reactorpeer R1 [ROUND_TRIPS [IDLE]]   a byte goes to and fro between two tasks over two pipes (beside IDLE idle descriptors: R7)
//     reactorpeer R2 PORT                   TCP echo
//     reactorpeer R3 PORT                   HTTP, keep-alive: "Hello, World!"
//     reactorpeer R4 [TIMERS [LEAD_MS]]     tasks that sleep one to two seconds, half of them cancelled
//     reactorpeer R4c [TIMERS [LEAD_MS]]    the same with calls instead of tasks
//     reactorpeer R5 [TASKS]                tasks that yield once each, all alive at once
//     reactorpeer R5y [YIELDS]              a thousand tasks that yield in turn
//     reactorpeer R6 [CALLS]                another thread has the loop run closures
//
// Each prints one line of key=value; the servers print `ready`.
import AsyncFD
import EventLoop
@preconcurrency import Glibc

@main
struct Reactorpeer {
    static func main() throws {
        let arguments = CommandLine.arguments
        func number(_ index: Int, _ standard: Int) -> Int { arguments.count > index ? Int(arguments[index])! : standard }
        switch arguments.dropFirst().first {
        case "R1": try EventLoop.run { try await PingPong.run(number(2, 200_000), idle: number(3, 0)) }
        case "R2": try EventLoop.run { try await Server.run(port: number(2, 7000), Server.echo) }
        case "R3": try EventLoop.run { try await Server.run(port: number(2, 7000), Server.hello) }
        case "R4": try EventLoop.run { await Sleepers.run(number(2, 1_000_000), lead: .milliseconds(number(3, 1000))) }
        case "R4c": try EventLoop.run { await Callbacks.run(number(2, 1_000_000), lead: .milliseconds(number(3, 1000))) }
        case "R5": try EventLoop.run { await Yielding.spawn(number(2, 1_000_000)) }
        case "R5y": try EventLoop.run { await Yielding.yields(number(2, 1_000_000)) }
        case "R6": try EventLoop.run { await Wakes.run(number(2, 1_000_000)) }
        default:
            fputs("usage: reactorpeer R1|R2|R3|R4|R5|R5y|R6 …\n", stderr)
            exit(2)
        }
    }
}

/// Raises the limit of descriptors to what the administrator allows; a program starts with 1,024.
func allowManyDescriptors() {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
