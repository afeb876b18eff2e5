// Waiting for descriptors: pipes, sockets, files, and what is done to them behind one's back.
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import EventLoop

@Suite("Watch")
struct WatchTests {
    private func watch(_ number: CInt) -> Watch { Watch(FileDescriptor(rawValue: number)) }

    private func fill(_ descriptor: CInt) {
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var block = [UInt8](repeating: 0, count: 65_536)
        while write(descriptor, &block, block.count) > 0 {}
    }

    private func sendByte(_ descriptor: CInt) {
        var byte: UInt8 = 1
        #expect(write(descriptor, &byte, 1) == 1)
    }

    private func takeByte(_ descriptor: CInt) {
        var byte: UInt8 = 0
        #expect(read(descriptor, &byte, 1) == 1)
    }

    // MARK: What it says

    @Test("readiness is a state: it lasts until the descriptor is empty, and comes back with the next byte")
    func levels() throws {
        let pipe = try Pipe()
        let input = pipe.writer
        try EventLoop.run { () async throws in
            let loop = EventLoop.current!
            let watch = watch(pipe.reader)
            defer { watch.close() }
            for _ in 0..<3 {
                let writer = Task(executorPreference: loop) {
                    while loop.waiters == 0 { await Task.yield() }
                    sendByte(input)
                    sendByte(input)
                }
                #expect(try await watch.readable() == .reading)
                takeByte(pipe.reader)
                await writer.value
                #expect(try await watch.readable() == .reading)
                takeByte(pipe.reader)
            }
        }
    }

    @Test("the end of the other side is told, whichever side it is")
    func hangUp() throws {
        try EventLoop.run {
            let pipe = try Pipe()
            let reader = watch(pipe.reader)
            let task = Task(executorPreference: EventLoop.current!) { try await reader.readable() }
            await Task.yield()
            pipe.closeWriter()
            #expect(try await task.value == .hangUp)
            reader.close()

            let other = try Pipe()
            fill(other.writer)
            let writer = watch(other.writer)
            let waiting = Task(executorPreference: EventLoop.current!) { try await writer.writable() }
            await Task.yield()
            other.closeReader()
            #expect(try await waiting.value.contains(.error))
            writer.close()
        }
    }

    @Test("a task that waits for either direction is woken by one, and removed from the other")
    func both() throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { ends.forEach { close($0) } }
        fill(ends[0])
        try EventLoop.run { [ends] () async throws in
            let loop = EventLoop.current!
            let watch = watch(ends[0])
            let either = Task(executorPreference: loop) { try await watch.ready(for: [.reading, .writing]) }
            await Task.yield()
            #expect(loop.waiters == 1)
            sendByte(ends[1])
            #expect(try await either.value == .reading)
            #expect(loop.waiters == 0)

            // No waiter is left that would make a writer busy.
            let writer = Task(executorPreference: loop) { try await watch.writable() }
            await Task.yield()
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while recv(ends[1], &buffer, buffer.count, CInt(MSG_DONTWAIT)) > 0 {}
            #expect(try await writer.value.contains(.writing))
            watch.close()
        }
    }

    @Test(
        "a descriptor that the kernel does not watch is always ready", arguments: ["/dev/null", "/proc/self/exe", "/"])
    func alwaysReady(path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        try EventLoop.run { () async throws in
            let watch = watch(descriptor)
            #expect(try await watch.readable().contains(.reading))
            watch.close()
        }
    }

    // MARK: What can go wrong

    @Test("a second waiter in one direction is told so, and the first one goes on waiting")
    func busy() throws {
        let pipe = try Pipe()
        try EventLoop.run { () async throws in
            let watch = watch(pipe.reader)
            let first = Task(executorPreference: EventLoop.current!) { try await watch.readable() }
            await Task.yield()
            let error = await #expect(throws: WatchError.self) { try await watch.readable() }
            #expect(error?.code == .busy)
            #expect(
                "\(error!)" == "wait for [reading] of descriptor \(pipe.reader): another task already waits for this")
            let either = await #expect(throws: WatchError.self) { try await watch.ready(for: [.writing, .reading]) }
            #expect(either?.code == .busy)
            sendByte(pipe.writer)
            #expect(try await first.value == .reading)
            watch.close()
        }
    }

    @Test("closing the watch wakes its waiters before the number can belong to another descriptor")
    func closing() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let watch = watch(pipe.reader)
            let waiting = Task(executorPreference: EventLoop.current!) { try await watch.readable() }
            await Task.yield()
            watch.close()
            #expect(await #expect(throws: WatchError.self) { try await waiting.value }?.code == .closed)
            #expect(await #expect(throws: WatchError.self) { try await watch.readable() }?.code == .closed)
            #expect(EventLoop.current!.poller.count == 0)
        }
    }

    @Test("a descriptor that is not open is an error with its name, not an endless wait")
    func notOpen() throws {
        try EventLoop.run {
            let watch = watch(9999)
            let error = await #expect(throws: WatchError.self) { try await watch.readable() }
            #expect(error?.errno == .badFileDescriptor)
            #expect(error?.descriptor.rawValue == 9999)
        }
    }

    @Test("two watches of one number do not steal each other's events: the second is refused")
    func twice() throws {
        let pipe = try Pipe()
        try EventLoop.run { () async throws in
            let (one, other) = (watch(pipe.reader), watch(pipe.reader))
            let first = Task(executorPreference: EventLoop.current!) { try await one.readable() }
            await Task.yield()
            #expect(await #expect(throws: WatchError.self) { try await other.readable() }?.errno == .fileExists)
            sendByte(pipe.writer)
            #expect(try await first.value == .reading)
            one.close()
        }
    }

    @Test("a task off the loop waits although nothing runs the loop, and goes on when there is something to read")
    func noLoop() async throws {
        let pipe = try Pipe()
        let loop = try EventLoop(name: "idle")
        let watch = Watch(FileDescriptor(rawValue: pipe.reader), on: loop)
        async let ready = watch.readable()
        while loop.counters.turns.load(ordering: .relaxed) == 0 { await Task.yield() }
        sendByte(pipe.writer)
        #expect(try await ready == .reading)
        watch.close()
    }

    @Test("a wait that is cancelled or times out leaves nothing behind, and the next one works")
    func cancellation() throws {
        let pipe = try Pipe()
        let clock = ManualClock()
        try EventLoop.run(clock: clock) { () async throws in
            let loop = EventLoop.current!
            let watch = watch(pipe.reader)
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(.seconds(5)) { try await watch.readable() }
            }
            #expect((error?.cause as? WatchError)?.code == .cancelled)
            #expect(clock.now.nanoseconds == 5_000_000_000)
            #expect(loop.waiters == 0)
            sendByte(pipe.writer)
            #expect(try await watch.readable() == .reading)
            watch.close()
        }
    }

    @Test("a task that always finds its descriptor ready does not keep the others from running")
    func greed() throws {
        let pipe = try Pipe()
        sendByte(pipe.writer)
        try EventLoop.run {
            let watch = watch(pipe.reader)
            let endless = Task(executorPreference: EventLoop.current!) {
                while true { try await watch.readable() }
            }
            try await EventLoop.sleep(for: .milliseconds(1))
            endless.cancel()
            #expect(await #expect(throws: WatchError.self) { try await endless.value }?.code == .cancelled)
            watch.close()
        }
    }

    // MARK: Numbers that change hands

    @Test("an event of a descriptor that was closed in the same batch does not reach the one that got its number")
    func reuseWithinBatch() throws {
        let pipes = try [Pipe(), Pipe()]
        try EventLoop.run {
            let loop = EventLoop.current!
            let registrations = try pipes.map { try loop.register($0.reader)! }
            var successor: Registration?
            for (index, registration) in registrations.enumerated() {
                registration.whenReady(.read) { wake in
                    guard wake == .ready, successor == nil else { return }
                    // The task that comes first takes the other one's number.
                    let victim = registrations[1 - index]
                    victim.close()
                    var ends: [CInt] = [0, 0]
                    #expect(pipe(&ends) == 0)
                    dup2(ends[0], victim.descriptor)
                    ends.forEach { close($0) }
                    successor = try? loop.register(victim.descriptor)
                }
            }
            for pipe in pipes { sendByte(pipe.writer) }
            while successor == nil { await Task.yield() }
            // The new pipe's writer is closed: its own first event is a hang-up, in a later batch.
            var last: Wake?
            successor!.whenReady(.read) { last = $0 }
            #expect(last == nil)
            while last == nil { await Task.yield() }
            #expect(last == .ready)
            for registration in registrations + [successor!] { registration.close() }
            #expect(loop.poller.count == 0)
            #expect(loop.waiters == 0)
        }
    }

    @Test(
        "the events of a duplicate do not reach the new owner of the number, and a task that waited for the old one is woken"
    )
    func reuseAcrossDup() throws {
        let (old, new) = try (Pipe(), Pipe())
        try EventLoop.run {
            let loop = EventLoop.current!
            let number = dup(old.reader)
            let forgotten = Task(executorPreference: loop) { [watch = watch(number)] in try await watch.readable() }
            await Task.yield()
            // The number is closed without telling the loop; `old.reader` keeps the description alive, and with it
            // epoll's entry.
            dup2(new.reader, number)
            let watch = watch(number)
            let waiting = Task(executorPreference: loop) { try await watch.readable() }
            await Task.yield()
            #expect(await #expect(throws: WatchError.self) { try await forgotten.value }?.code == .closed)

            sendByte(old.writer)
            try await EventLoop.sleep(for: .milliseconds(1))
            #expect(loop.waiters == 1)
            sendByte(new.writer)
            #expect(try await waiting.value == .reading)
            watch.close()
            close(number)
        }
    }

    @Test("a number that comes back to the description which epoll still remembers can be watched again")
    func staleEntry() throws {
        let pipe = try Pipe()
        try EventLoop.run {
            let number = dup(pipe.reader)
            let first = try EventLoop.current!.register(number)!
            close(number)
            first.close()  // too late for the kernel, which knows the pair of description and number
            #expect(dup2(pipe.reader, number) == number)
            let watch = watch(number)
            let waiting = Task(executorPreference: EventLoop.current!) { try await watch.readable() }
            await Task.yield()
            sendByte(pipe.writer)
            #expect(try await waiting.value == .reading)
            watch.close()
            close(number)
        }
    }
}
