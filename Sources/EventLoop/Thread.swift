// Starting a detached thread: the only place that talks to pthread_create.
import CEventLoop
import Glibc
import SystemPackage

/// Runs `body` on a new, detached thread called `name` (the kernel keeps 15 bytes of it). Returns why not, if no thread is to be had.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) -> Errno? {
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var thread = pthread_t()
    let code = pthread_create(&thread, nil, threadMain, start.toOpaque())
    guard code == 0 else {
        start.release()
        return Errno(rawValue: code)
    }
    pthread_detach(thread)
    return nil
}

private final class ThreadStart {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
    cel_name_thread(start.name)
    start.body()
    return nil
}
