// This package's event loop as a guest of swift-nio's: both run on one thread, with a logger that takes no lock.
//
//     swift run EmbeddedInNIO
//
// A host waits for the guest's descriptor and runs a turn of the guest when the descriptor is readable. NIO's event
// loop waits for NIO's channels only. So a thread of its own waits here, and the turns run on NIO's thread, between
// NIO's own work.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import NIOCore
import NIOPosix
import Synchronization

@main
struct EmbeddedInNIO {
    static func main() throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let host = group.next()
        let guest = try EventLoop.embedded(name: "guest")
        let isOver = Atomic<Bool>(false)

        // The guest's tasks: they sleep, log and print on NIO's thread, by the guest's own timers and descriptors.
        Task(executorPreference: guest) {
            let logger = Logger.standard("guest")
            for step in 1...3 {
                try await EventLoop.sleep(for: .milliseconds(20))
                await logger.info("step \(step)", ["on_nio_thread": host.inEventLoop])
            }
            try await logger.flush()
            isOver.store(true, ordering: .releasing)
        }

        // NIO does its own work meanwhile.
        let ticks = Mutex(0)
        let ticker = host.scheduleRepeatedTask(initialDelay: .milliseconds(5), delay: .milliseconds(5)) { _ in
            ticks.withLock { $0 += 1 }
        }

        while !isOver.load(ordering: .acquiring) {
            var request = pollfd(fd: guest.descriptor.rawValue, events: Int16(POLLIN), revents: 0)
            poll(&request, 1, -1)
            try host.submit { _ = guest.runOnce() }.wait()
        }
        ticker.cancel()
        Swift.print("NIO's timer ticked \(ticks.withLock { $0 > 0 } ? "meanwhile" : "never")")
        try group.syncShutdownGracefully()
    }
}
