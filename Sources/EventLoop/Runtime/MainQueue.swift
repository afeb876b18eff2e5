// A loop that runs on the main thread without being the executor of the process: the main actor's jobs still need that
// thread.
//
// Those jobs are in the Dispatch library's main queue. That queue can be a guest of another event loop: it has an
// eventfd, which is readable when there is something to do, and a function that does it. CoreFoundation's run loop uses
// both on Linux (`_dispatch_get_main_queue_handle_4CF` and `_dispatch_main_queue_callback_4CF`,
// swift-corelibs-libdispatch, private/queue_private.h). They are looked up by name, because no header that Swift
// imports has them; where they are missing, the main actor's jobs wait until the loop has ended.
import CEventLoop
import Glibc

/// The Dispatch library's main queue as a guest of a loop. Main thread only.
final class MainQueue {
    private typealias Handle = @convention(c) () -> CInt
    private typealias Drain = @convention(c) (UnsafeMutableRawPointer?) -> Void

    private let loop: EventLoop
    private let descriptor: CInt
    private let drain: Drain
    private let registration: Registration

    /// Nil if the process has no such queue.
    init?(on loop: EventLoop) {
        guard let handle = dlsym(nil, "_dispatch_get_main_queue_handle_4CF"),
            let drain = dlsym(nil, "_dispatch_main_queue_callback_4CF")
        else { return nil }
        let descriptor = unsafeBitCast(handle, to: Handle.self)()
        // The loop is new: no other registration of it watches the descriptor. The kernel watches eventfds.
        guard descriptor >= 0, let registration = try? loop.register(descriptor) else { return nil }
        self.loop = loop
        self.descriptor = descriptor
        self.drain = unsafeBitCast(drain, to: Drain.self)
        self.registration = registration
        // Earlier jobs have made the descriptor readable already: the first look does not wait for an edge.
        loop.soon { [self] in look() }
    }

    func end() { registration.close() }

    private func look() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
        drain(nil)
        if case .go(let edge) = registration.attempt(.read) { registration.clear(.read, edge, by: .wouldBlock) }
        registration.whenReady(.read) { [self] wake in
            // Not from here: jobs run in the next turn, not while events are dispatched.
            if wake == .ready { loop.soon { [self] in look() } }
        }
    }
}

/// Test runners end a process in their own way and run asynchronous tests on the executors that the process began with:
/// those stay.
enum TestRunner {
    /// True in a process that runs XCTest or Swift Testing: both are started by a program that links the XCTest
    /// library.
    static let isPresent: Bool = {
        if let library = dlopen("libXCTest.so", RTLD_LAZY | RTLD_NOLOAD) {
            dlclose(library)
            return true
        }
        return CommandLine.arguments.first?.hasSuffix(".xctest") == true
    }()
}
