// Where records wait on disk until there is a connection: what is in the file, and how it gets out again.
//
// The handler's batch writer appends records to the file, each with a checksum (SpoolFormat.swift). Once there is a
// connection, a second batch writer sends what is in the file, piece by piece and in order, while new records still go
// to its end; when the file is empty, the handler's batch writer is redirected to the connection.
import AsyncFD
import EventLoop

/// The spool's file. Loop thread only; the file is read and emptied on a thread of the pool.
final class DiskSpool {
    /// The file's first words.
    static let title = "asynclog spool"
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
    private var head = SpoolFormat.headerSize
    /// The number of the record there.
    private var number: UInt64 = 1
    private var end: Int { file?.end ?? SpoolFormat.headerSize }

    init(_ path: String, limit: Int, bounds: FrameBounds, on loop: EventLoop) {
        self.path = path
        self.limit = limit
        self.bounds = bounds
        self.loop = loop
    }

    /// Bytes that have not been sent.
    var count: Int { max(0, end - head) }
    var isEmpty: Bool { count == 0 }
    /// Bytes that may be appended: those of records, with what the file adds to each of them.
    var room: Int { limit - end - SpoolFormat.recordHeaderSize }
    /// Everything in the file has been sent, but it is still there.
    var isSpent: Bool { isEmpty && end > SpoolFormat.headerSize }

    /// The batch writer, whose descriptor is `tail`, appends to this file.
    func redirect(_ writer: BatchWriter) { writer.spool = file }

    func sent(_ record: SpoolFile.Batch.Record) { (head, number) = (record.end, record.number + 1) }

    /// There is nothing more to be sent before this.
    func passed(_ batch: SpoolFile.Batch) { (head, number) = (batch.end, batch.expected) }

    /// `done` is told how many bytes a torn record had that was cut off, and whether it is unknown what had been sent.
    func open(then done: @escaping (_ torn: Int, _ isHeaderDamaged: Bool) -> Void) {
        guard tail == nil, !isOpening else { return }
        isOpening = true
        loop.offloadIO {
            [path, bounds] in
            SpoolFile.open(path, title: DiskSpool.title, bounds)
        } then: { [self] (opened: Result<SpoolFile.Contents, IOError>) in
            isOpening = false
            switch opened {
            case .failure(let error):
                trouble = error
                done(0, false)
            case .success(let contents):
                trouble = nil
                file = contents.file
                (head, number) = (contents.head, contents.number)
                tail = AsyncFD(spool: contents.file, label: "\"\(path)\"")
                done(contents.torn, contents.isHeaderDamaged)
            }
        }
    }

    /// The next records to be sent. Notes in the file how far the sending has come.
    func read(then done: @escaping (Result<SpoolFile.Batch, IOError>) -> Void) {
        guard let file else { return }
        loop.offloadIO(
            { [head, end, number] in
                Result { () throws(IOError) in
                    try file.setHead(head, number)
                    return try file.records(from: head, to: end, expecting: number)
                }
            }, then: done)
    }

    /// Empties a file all of which has been sent. `done` is told whether the file has been removed: then it is to be
    /// left.
    func clear(then done: @escaping (Result<Bool, IOError>) -> Void) {
        guard let file else { return }
        isClearing = true
        loop.offloadIO({
            Result { () throws(IOError) in
                try file.clear()
                return file.isRemoved
            }
        }) { [self] (result: Result<Bool, IOError>) in
            isClearing = false
            if case .success = result { head = SpoolFormat.headerSize }
            done(result)
        }
    }

    /// Closes a file that has been removed, and in which there is nothing to be sent: another one can be opened. No
    /// batch writer leads to it any more.
    func leave() {
        tail?.closeHere()
        (tail, file) = (nil, nil)
        (head, number) = (SpoolFormat.headerSize, 1)
    }

    /// The handler is done with the file. What is still to be done blocks, and is returned; it says how many records
    /// are lost because the file has been removed before they were sent.
    func close() -> (@Sendable () -> UInt64)? {
        guard let file = file.take() else { return nil }
        tail?.closeHere()
        tail = nil
        return { [head, number] in
            try? file.setHead(head, number)
            defer { file.unlock() }
            return file.unreachable(from: head, number)
        }
    }
}

/// Sends what is in a spool. Loop thread only.
final class SpoolDrain: Destination {
    private let spool: DiskSpool
    private let connection: AsyncFD
    private let writer: BatchWriter
    private let damaged: (_ records: Int, _ bytes: Int) -> Void
    private let broke: (IOError) -> Void
    private let skipped: (IOError) -> Void
    private let done: (Result<Void, IOError>) -> Void
    private var batch: SpoolFile.Batch?
    private var records: ArraySlice<SpoolFile.Batch.Record> = []
    private(set) var isOver = false

    /// - Parameters:
    ///   - damaged: called when records were found to be damaged: how many are lost, and how many bytes are no records.
    ///   - broke: called when something could not be sent.
    ///   - skipped: called when a record was given up, because it is larger than the network takes.
    ///   - done: called once, unless the drain is stopped: when the spool is empty, or could not be read.
    init(
        _ spool: DiskSpool, to connection: AsyncFD, isDatagrams: Bool,
        damaged: @escaping (_ records: Int, _ bytes: Int) -> Void,
        broke: @escaping (IOError) -> Void,
        skipped: @escaping (IOError) -> Void, done: @escaping (Result<Void, IOError>) -> Void
    ) {
        self.spool = spool
        self.connection = connection
        self.damaged = damaged
        self.broke = broke
        self.skipped = skipped
        self.done = done
        writer = BatchWriter(connection)
        writer.delivery = isDatagrams ? .datagrams : .wholeRecords
        writer.attach(nil, self)
        next()
    }

    /// What has not been sent stays in the spool.
    func stop() {
        guard !isOver else { return }
        isOver = true
        writer.retire()
    }

    private func next() {
        guard !isOver else { return }
        if let batch = batch.take() { spool.passed(batch) }
        guard !spool.isEmpty else { return finish(.success(())) }
        spool.read { [self] result in
            guard !isOver else { return }
            switch result {
            case .failure(let error): finish(.failure(error))
            case .success(let batch):
                if batch.lost > 0 || batch.damagedBytes > 0 { damaged(batch.lost, batch.damagedBytes) }
                self.batch = batch
                records = batch.records[...]
                guard !records.isEmpty else { return writer.loop.soon { [self] in next() } }
                batch.bytes.withUnsafeBytes { bytes in
                    var start = 0
                    for record in batch.records {
                        writer.append(UnsafeRawBufferPointer(rebasing: bytes[start..<start + record.length]))
                        start += record.length
                    }
                }
            }
        }
    }

    private func finish(_ result: Result<Void, IOError>) {
        stop()
        done(result)
    }

    // MARK: The batch writer's calls

    func didWrite(_ count: Int) {
        var left = count
        while left > 0, let first = records.popFirst() {
            left -= first.length
            spool.sent(first)
        }
        if records.isEmpty { writer.loop.soon { [self] in next() } }
    }

    func mayWrite(_ count: Int) -> Int { isOver || connection.peerHasGone != nil ? 0 : count }

    func didSkip(_ error: IOError) {
        if let record = records.popFirst() { spool.sent(record) }
        skipped(error)
        if records.isEmpty { writer.loop.soon { [self] in next() } }
    }

    func didFailToWrite(_ error: IOError) { broke(error) }

    /// What is on disk survives the loop: there is no need to wait until it is sent.
    func willRecover(isEnding: Bool) -> Bool {
        if isEnding { stop() }
        return false
    }
}
