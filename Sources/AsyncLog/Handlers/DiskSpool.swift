// Where records wait on disk until there is a connection: what is in the file, and how it gets out again.
//
// The handler's outlet appends to the file as to any other. Once there is a connection, a second outlet sends what is in the file, piece by piece and in
// order, while new records still go to its end; when the file is empty, the handler's outlet is led to the connection.
import AsyncFD
import EventLoop

/// The spool's file. Loop thread only; the file is read and emptied on a thread of the pool.
final class DiskSpool {
    let path: String
    /// In bytes. The file is never larger.
    private let limit: Int
    private let bounds: FrameBounds
    private let loop: EventLoop

    private var file: SpoolFile?
    /// For appending. Nil while the file is not open.
    private(set) var tail: AsyncFD?
    private(set) var isOpening = false
    private var isClearing = false
    /// Nothing may be appended now, nor anything else be done with the file.
    var isBusy: Bool { isOpening || isClearing }
    /// Why it could not be opened.
    private(set) var trouble: IOError?
    private var head = SpoolFile.headerSize
    private var end = SpoolFile.headerSize

    init(_ path: String, limit: Int, bounds: FrameBounds, on loop: EventLoop) {
        self.path = path
        self.limit = limit
        self.bounds = bounds
        self.loop = loop
    }

    /// Bytes that have not been sent.
    var count: Int { end - head }
    var isEmpty: Bool { head == end }
    /// Bytes that may be appended.
    var room: Int { limit - end }
    /// Everything in the file has been sent, but it is still there.
    var isSpent: Bool { isEmpty && end > SpoolFile.headerSize }

    func appended(_ bytes: Int) { end += bytes }

    func sent(_ bytes: Int) { head += bytes }

    /// `done` is told how many bytes a torn record had that was cut off.
    func open(then done: @escaping (Int) -> Void) {
        guard tail == nil, !isOpening else { return }
        isOpening = true
        let answer = Found<Result<SpoolFile.Contents, IOError>>()
        loop.offloadCall({ [path, bounds] in answer.value = SpoolFile.open(path, bounds) }) { [self] in
            isOpening = false
            switch answer.value! {
            case .failure(let error):
                trouble = error
                done(0)
            case .success(let contents):
                trouble = nil
                file = contents.file
                (head, end) = (contents.head, contents.end)
                tail = AsyncFD(spool: contents.file, label: "\"\(path)\"")
                done(contents.torn)
            }
        }
    }

    /// The next records to be sent. Notes in the file how far the sending has come.
    func read(then done: @escaping (Result<(bytes: [UInt8], lengths: [Int]), IOError>) -> Void) {
        guard let file else { return }
        let answer = Found<Result<(bytes: [UInt8], lengths: [Int]), IOError>>()
        loop.offloadCall({ [head, end, bounds] in
            answer.value = Result { () throws(IOError) in
                try file.setHead(head)
                return try file.frames(from: head, to: end, bounds)
            }
        }) { done(answer.value!) }
    }

    /// Empties a file all of which has been sent.
    func clear(then done: @escaping (IOError?) -> Void) {
        guard let file else { return }
        isClearing = true
        let answer = Found<Result<Void, IOError>>()
        loop.offloadCall({ answer.value = Result { () throws(IOError) in try file.clear() } }) { [self] in
            isClearing = false
            guard case .failure(let error) = answer.value! else {
                head = SpoolFile.headerSize
                end = SpoolFile.headerSize
                return done(nil)
            }
            done(error)
        }
    }

    /// What stands there is no record: it is given up. Returns how many bytes that were.
    func skipRest() -> Int {
        defer { head = end }
        return count
    }

    /// The handler is done with the file. What is still to be done blocks, and is returned.
    func close() -> (@Sendable () -> Void)? {
        guard let file = file.take() else { return nil }
        tail?.closeHere()
        tail = nil
        return { [head] in
            try? file.setHead(head)
            file.unlock()
        }
    }
}

/// Sends what is in a spool. Loop thread only.
final class SpoolDrain: OutletClient {
    private let spool: DiskSpool
    private let connection: AsyncFD
    private let outlet: Outlet
    private let prepare: () -> Void
    private let broke: (IOError) -> Void
    private let skipped: (IOError) -> Void
    private let done: (Result<Void, IOError>) -> Void
    private var lengths: ArraySlice<Int> = []
    private(set) var isOver = false

    /// - Parameters:
    ///   - prepare: called before the spool is looked at.
    ///   - broke: called when something could not be sent.
    ///   - skipped: called when a record was given up, because it is larger than the network takes.
    ///   - done: called once, unless the drain is stopped: when the spool is empty, or could not be read.
    init(
        _ spool: DiskSpool, to connection: AsyncFD, isDatagrams: Bool, prepare: @escaping () -> Void, broke: @escaping (IOError) -> Void,
        skipped: @escaping (IOError) -> Void, done: @escaping (Result<Void, IOError>) -> Void
    ) {
        self.spool = spool
        self.connection = connection
        self.prepare = prepare
        self.broke = broke
        self.skipped = skipped
        self.done = done
        outlet = Outlet(connection)
        outlet.delivery = isDatagrams ? .datagrams : .wholeRecords
        outlet.attach(self)
        next()
    }

    /// What has not been sent stays in the spool.
    func stop() {
        guard !isOver else { return }
        isOver = true
        outlet.retire()
    }

    private func next() {
        guard !isOver else { return }
        prepare()
        guard !spool.isEmpty else { return finish(.success(())) }
        spool.read { [self] result in
            guard !isOver else { return }
            switch result {
            case .failure(let error): finish(.failure(error))
            case .success(let (bytes, lengths)):
                guard !lengths.isEmpty else {
                    let lost = spool.skipRest()
                    return finish(.failure(IOError("read", on: "\"\(spool.path)\" (\(lost) bytes that are no records)", .inputOutput)))
                }
                self.lengths = lengths[...]
                bytes.withUnsafeBytes { bytes in
                    var start = 0
                    for length in lengths {
                        outlet.queue.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
                        outlet.didAppend(length)
                        start += length
                    }
                }
            }
        }
    }

    private func finish(_ result: Result<Void, IOError>) {
        stop()
        done(result)
    }

    // MARK: The outlet's news

    func outletWrote(_ count: Int) {
        spool.sent(count)
        var left = count
        while left > 0, let first = lengths.popFirst() { left -= first }
        if lengths.isEmpty { outlet.loop.soon { [self] in next() } }
    }

    func outletMayWrite(_ count: Int) -> Int { isOver || connection.peerHasGone != nil ? 0 : count }
    func outletWholeRecords(_ count: Int) -> Int {
        var total = 0
        for length in lengths {
            if total + length > count { break }
            total += length
        }
        return total
    }
    func outletRecordLength(_ index: Int) -> Int? { index < lengths.count ? lengths[lengths.startIndex + index] : nil }
    func outletSkips(_ error: IOError) -> Int {
        let length = lengths.popFirst() ?? 0
        spool.sent(length)
        skipped(error)
        if lengths.isEmpty { outlet.loop.soon { [self] in next() } }
        return length
    }
    func outletWriteFailed(_ error: IOError) { broke(error) }
    func outletFailed(_ error: IOError) {}
    func outletRecovered() {}
    func outletAbandoned(_ count: Int, because error: IOError?) {}
    func outletConcluded() {}
    /// What is on disk survives the loop: there is no need to wait until it is sent.
    func outletIsSeenTo(isEnding: Bool) -> Bool {
        if isEnding { stop() }
        return false
    }
}

/// What a thread of the pool has found out. Unchecked: written before the pool reports, read after.
private final class Found<Value>: @unchecked Sendable {
    var value: Value?
}
