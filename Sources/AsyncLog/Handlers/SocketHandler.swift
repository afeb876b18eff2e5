// A handler that sends records over the network, or to another process of the machine.
import AsyncFD

/// Sends records in any format over TCP, UDP or a Unix socket.
///
///     let handler = SocketHandler(.tcp("logs.example.com", port: 5170), formatter: JSONFormatter(), spool: .memory(8 << 20))
///
/// The connection is made as soon as a logger has the handler, and again, with growing pauses, whenever it breaks; until then records wait in the spool, and
/// `state` is `.degraded`. When the spool is full, `overflow` decides, and `state` is `.failed`. At the end of its loop a handler without a
/// connection tries once more, and says what it could not send.
///
/// What a stream promises: records arrive whole and in order, and one that was begun when the connection broke is sent again. What the kernel had
/// taken when the other side vanished may be lost without anybody knowing; no protocol without answers can do better. A datagram is sent
/// whole or not at all; over UDP it may be lost, doubled or overtaken on its way. A Unix datagram socket whose reader is slow makes records wait.
///
/// A crash sends what pends on a stream, as to any descriptor; datagrams that pend are lost then.
public final class SocketHandler<Format: Formatter>: ConnectedHandler, @unchecked Sendable {
    @exclusivity(unchecked) private var formatter: Format
    private let parts: CallSite.Parts
    private let framing: Framing

    /// - Parameters:
    ///   - endpoint: where to connect.
    ///   - formatter: how records look.
    ///   - framing: how the receiver tells where a record ends: a line feed on streams, nothing in datagrams, unless given.
    ///   - spool: where records wait while there is no connection.
    ///   - levels: records of other levels are ignored.
    ///   - reserve: how many of the spool's bytes are kept for records of level error and above; a sixteenth, if not given.
    ///   - overflow: what happens when the spool is full.
    ///   - maximumLineLength: in bytes. A longer record has its texts cut, each with a mark. 256 KiB on streams; over UDP 65,000, which a datagram holds.
    ///   - backoff: the pauses between attempts to connect.
    ///   - connectTimeout: how long an attempt may take, the looking up of the name included.
    public convenience init(
        _ endpoint: Endpoint, formatter: Format, framing: Framing? = nil, spool: Spool = .memory(), levels: ClosedRange<Level> = .trace ... .critical,
        reserve: Int? = nil, overflow: Overflow = .suspend, maximumLineLength: Int? = nil, backoff: Backoff = Backoff(),
        connectTimeout: Duration = .seconds(10)
    ) {
        self.init(
            endpoint, formatter: formatter, framing: framing, spool: spool, levels: levels, reserve: reserve, overflow: overflow,
            maximumLineLength: maximumLineLength, backoff: backoff, connectTimeout: connectTimeout, random: SystemRandomNumberGenerator())
    }

    package init(
        _ endpoint: Endpoint, formatter: Format, framing: Framing? = nil, spool: Spool = .memory(), levels: ClosedRange<Level> = .trace ... .critical,
        reserve: Int? = nil, overflow: Overflow = .suspend, maximumLineLength: Int? = nil, backoff: Backoff = Backoff(),
        connectTimeout: Duration = .seconds(10), random: any RandomNumberGenerator & Sendable
    ) {
        self.formatter = formatter
        parts = formatter.callSiteParts
        let framing = framing ?? (endpoint.isDatagrams && spool.disk == nil ? .none : .newline)
        self.framing = framing
        super.init(
            endpoint, framing: framing, spool: spool, levels: levels, reserve: reserve, overflow: overflow,
            maximumLineLength: maximumLineLength ?? endpoint.longestRecord, backoff: backoff, timeout: connectTimeout, random: random)
    }

    override public var callSiteParts: CallSite.Parts { parts }
    override var timestamps: [Timestamp]? { (formatter as? any TimedFormatter)?.timestamps }

    override func layOut(_ record: borrowing Record, to line: inout LineBuffer) throws {
        try formatter.format(record, to: &line)
        framing.frame(&line)
    }
}

extension Endpoint {
    /// In bytes, unless said otherwise.
    var longestRecord: Int {
        if case .udp = self { 65_000 } else if isDatagrams { 1 << 17 } else { 1 << 18 }
    }
}

/// How a receiver tells where a record ends.
public enum Framing: Sendable, Equatable {
    /// A line feed behind each record that does not end with one. For formats without line feeds within records: all text formats of this library.
    case newline
    /// The record's length in bytes, a blank, the record (RFC 6587, section 3.4.1). For any format.
    case octetCounting
    /// Nothing: for datagrams, which have bounds, and for formats that say themselves where they end (MessagePack).
    case none

    /// Frames what has been laid out in `line`.
    @inline(__always)
    func frame(_ line: inout LineBuffer) {
        switch self {
        case .none: break
        case .newline: if line.bytes.last != UInt8(ascii: "\n") { line.append(UInt8(ascii: "\n")) }
        case .octetCounting: line.prefixLength()
        }
    }
}

extension LineBuffer {
    /// Puts `length blank` in front of what has been written.
    fileprivate mutating func prefixLength() {
        let length = count
        ensure(Decimal.maximumLength + 1)
        let end = cursor
        var digits = Decimal.write(length, to: end)
        end[digits] = UInt8(ascii: " ")
        digits += 1
        cursor = end + digits
        // The digits stand behind the record: turn the two around.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: digits) { memory in
            let prefix = memory.baseAddress!
            prefix.update(from: end, count: digits)
            overwrite(0) { start in
                (start + digits).update(from: start, count: length)
                start.update(from: prefix, count: digits)
            }
        }
    }
}

extension Framing {
    var bounds: FrameBounds? {
        switch self {
        case .newline: .newline
        case .octetCounting: .octetCounting
        case .none: nil
        }
    }
}

/// Where records wait while there is no connection.
public struct Spool: Sendable {
    /// How many bytes may wait in memory.
    let memory: Int
    let disk: (path: String, limit: Int)?

    /// In memory, at most so many bytes: a mebibyte, unless given.
    public static func memory(_ bytes: Int = BufferedHandler.defaultCapacity) -> Spool { Spool(memory: bytes, disk: nil) }

    /// In a file, so that they outlive the program, and in memory until they are there.
    ///
    ///     SocketHandler(.tcp("logs.example.com", port: 5170), formatter: JSONFormatter(), spool: .disk("/var/spool/app/log"))
    ///
    /// The file is made for its owner alone (0600); one that is there already with another owner or mode, and a symbolic link, are refused. It is locked while it is used, and emptied when all in it has been sent; what an earlier run of the program has
    /// left in it is sent first. A record that is in the file counts as written, and `flush(.durable)` has it on the disk; `statistics.spooledBytes` says how
    /// much has not been sent. Each record has a checksum: one that is damaged is not sent, those behind it are, and the fallback is told how many are lost. Records may be sent twice if the program is killed while it sends them. Not for UDP, which does not tell when to spool,
    /// nor without a framing.
    ///
    /// If the file is removed while it is used, the handler is `failed` with the code `.removed`: records that come later wait in memory. With the next connection
    /// those in the file are sent first. If the run ends before, they are lost, and the fallback is told how many they are; they have been counted as written. A
    /// new file is made when all has been sent and that connection breaks; at once, if nothing in the file was left to be sent.
    ///
    /// - Parameters:
    ///   - path: the file's, in a folder that exists. Each handler has its own.
    ///   - limit: how large the file may become, in bytes. Beyond it records wait in memory until all in the file has been sent.
    ///   - memory: how many bytes may wait in memory: while the file is being written, and when it is full, or the disk is.
    public static func disk(_ path: String, upTo limit: Int = 64 << 20, memory: Int = BufferedHandler.defaultCapacity) -> Spool {
        precondition(limit > SpoolFormat.headerSize, "a spool of \(limit) bytes")
        return Spool(memory: memory, disk: (path, limit))
    }
}
