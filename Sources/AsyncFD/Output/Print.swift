// `await print(…)`: Swift's print, for programs that must not wait for the reader of their output.
//
// There are two functions, with and without `to:`, as in the standard library. One with a default value for `to:` would
// lose to the standard library's where a call has three arguments: the type checker prefers the function that has as
// many parameters as the call has arguments, and that comes before its preference for an asynchronous function in an
// asynchronous one.
import EventLoop
import SystemPackage

/// Prints the items' descriptions like Swift's `print`, without ever blocking the event loop.
///
///     await print("Hello stdout !")
///     await print("oops", to: .standardError)
///
/// In an asynchronous function `print` means this one, with any number of items, and does not compile without `await`.
/// In synchronous code it remains Swift's own, which blocks; the compiler counts a closure without any `await` as
/// synchronous: `Task { print(1) }` is Swift's.
///
/// The text goes into the descriptor's buffer, and the whole of what was printed in one turn of the loop goes out with
/// one system call. The task suspends only when a mebibyte waits to be written. Printing never fails on the spot: what
/// cannot be written is kept and tried again, and a loss is reported on standard error. To wait until the text is in
/// the kernel, or get the error: `try await descriptor.flushPrints()`.
///
/// A descriptor that has been printed to is kept, with what waits to be written, until `close` or the end of its loop.
///
/// Any task; from a thread without an event loop the text is handed to the descriptor's loop.
public func print(_ items: Any..., separator: String = " ", terminator: String = "\n") async {
    await AsyncFD.standardOutput.print(text(items, separator, terminator))
}

/// Prints the items' descriptions to `descriptor`, as `print` without `to:` prints them to standard output.
///
///     await print("oops", to: .standardError)
public func print(_ items: Any..., separator: String = " ", terminator: String = "\n", to descriptor: AsyncFD) async {
    await descriptor.print(text(items, separator, terminator))
}

/// What Swift's `print` would write.
private func text(_ items: [Any], _ separator: String, _ terminator: String) -> String {
    var text = ""
    var isFirst = true
    for item in items {
        if !isFirst { text += separator }
        isFirst = false
        Swift.print(item, terminator: "", to: &text)
    }
    return text + terminator
}

extension AsyncFD {
    /// Suspends until everything that was printed to this descriptor is in the kernel.
    ///
    /// - Throws: `IOError` if the descriptor does not take it, with the reason. What was printed stays pending and is
    ///   tried again.
    public func flushPrints() async throws(IOError) {
        try await onLoop("write") { descriptor async throws(IOError) in try await descriptor.printer?.buffer.flush() }
    }

    /// Flushes what was printed, waits for that at most as long as `limit`, and gives up what has not gone out by then;
    /// the loss is reported on standard error.
    ///
    /// - Returns: what became of all that was printed to this descriptor.
    @discardableResult
    public func finishPrints(within limit: Duration) async -> Ledger {
        await onLoop(orElse: Ledger()) { descriptor in
            await descriptor.printer?.buffer.finish(within: limit)
            return descriptor.ledgerOfPrints
        }
    }

    /// What became of what was printed to this descriptor; a record is one call of `print`.
    public var printLedger: Ledger {
        get async { await onLoop(orElse: Ledger()) { $0.ledgerOfPrints } }
    }

    fileprivate func print(_ text: String) async {
        var text = text
        if loop.isCurrent { return await printHere(&text) }
        let copy = text
        await onLoop(orElse: ()) { descriptor in
            var text = copy
            await descriptor.printHere(&text)
        }
    }

    private func printHere(_ text: inout String) async {
        let buffer = printerMade().buffer
        buffer.accept()
        let size = text.utf8.count
        if !buffer.hasRoom(size) {
            let copy = text
            await buffer.waitForRoom(size) { room in
                var text = copy
                if case .refused(let reason) = room {
                    buffer.drop(reason)
                } else {
                    AsyncFD.put(&text, size, into: buffer)
                }
            }
        } else {
            AsyncFD.put(&text, size, into: buffer)
        }
    }

    fileprivate func printNow(_ text: String) {
        var text = text
        let buffer = printerMade().buffer
        buffer.accept()
        let size = text.utf8.count
        if !buffer.hasRoom(size) { buffer.pushOut() }
        guard buffer.hasRoom(size) else { return buffer.drop(.overflow) }
        AsyncFD.put(&text, size, into: buffer)
    }

    private static func put(_ text: inout String, _ size: Int, into buffer: RecordBuffer) {
        let memory = buffer.begin(size)
        text.withUTF8 { utf8 in
            if let base = utf8.baseAddress { memory.copyMemory(from: base, byteCount: size) }
        }
        buffer.commit(size)
    }

    private var ledgerOfPrints: Ledger {
        hasExtras ? extras.printer.map { $0.buffer.ledger + extras.pastPrints } ?? extras.pastPrints : Ledger()
    }

    private func printerMade() -> Printer {
        if let printer { return printer }
        let made = Printer(self)
        extras.printer = made
        return made
    }
}

/// The buffer of what is printed to one descriptor, and its reporter when something goes wrong. Loop thread only.
final class Printer: RecordReporter {
    /// What may wait to be written, in bytes.
    static let capacity = 1 << 20

    let buffer: RecordBuffer
    private unowned let descriptor: AsyncFD
    private var failureIsUnreported = false
    private var failureReportIsScheduled = false

    init(_ descriptor: AsyncFD) {
        self.descriptor = descriptor
        buffer = RecordBuffer(descriptor, capacity: Printer.capacity)
        buffer.reporter = self
    }

    // The output is the user's own text: no report is mixed into it, and a loss on standard error itself is not
    // reported.
    func reportDrops(_ drops: DropSummary) { report("\(drops.total) prints lost: the buffer was full") }

    func reportAtEnd(_ drops: DropSummary, because error: IOError?) {
        failureIsUnreported = false
        report(
            "\(drops.total) of \(buffer.ledger.accepted) prints lost: \(error?.reason ?? "the reader did not read them in time")"
        )
    }

    /// Reported a second later and not at once, so that a program that is about to end reports it only once, with the
    /// final count.
    func outputFailed(_ error: IOError) {
        failureIsUnreported = true
        guard !failureReportIsScheduled else { return }
        failureReportIsScheduled = true
        descriptor.loop.after(.seconds(1)) { [weak self] in
            guard let self else { return }
            failureReportIsScheduled = false
            guard failureIsUnreported, let error = buffer.failure else { return }
            failureIsUnreported = false
            report("\(error.reason); \(buffer.unreportedDrops) prints lost so far, trying again")
        }
    }

    func outputRecovered() {
        if !failureIsUnreported { report("works again") }
        failureIsUnreported = false
    }

    /// The descriptor keeps the printer, and the buffer the descriptor.
    func outputReleased() {
        descriptor.extras.pastPrints = descriptor.extras.pastPrints + buffer.ledger
        descriptor.extras.printer = nil
    }

    private func report(_ text: String) {
        if descriptor.descriptor.rawValue != 2 { StandardErrorFallback.report("print: \(buffer.label): \(text)") }
    }
}

/// Reports of outputs that fail, on standard error.
package enum StandardErrorFallback {
    /// Loop thread. The line is printed to standard error, and goes out before the loop ends. It may contain foreign
    /// text: control characters and line feeds are escaped.
    package static func report(_ line: String) { AsyncFD.standardError.printNow(VisibleText.escaped(line) + "\n") }

    /// The same from any thread.
    package static func reportFromAnyThread(_ line: String) {
        AsyncFD.standardError.loop.perform { report(line) }
    }
}
