// A handler that sends records over the network, or to another process of the machine.
import AsyncFD

/// Sends records in any format over TCP, UDP or a Unix socket.
///
///     let handler = SocketHandler(.tcp("logs.example.com", port: 5170), formatter: JSONFormatter(), spool: .memory(8 << 20))
///
/// The connection is made as soon as a logger has the handler, and again, with growing pauses, whenever it breaks;
/// until then records wait in the spool, and `state` is `.degraded`. When the spool is full, `overflow` decides, and
/// `state` is `.failed`. At the end of its loop a handler without a connection tries once more, and says what it could
/// not send.
///
/// What a stream promises: records arrive whole and in order, and one that was begun when the connection broke is sent
/// again. What the kernel had taken when the other side vanished may be lost without a report; no protocol without
/// answers can do better. A datagram is sent whole or not at all; over UDP it may be lost, doubled or overtaken on its
/// way. A Unix datagram socket whose reader is slow makes records wait.
///
/// A crash sends what pends on a stream, as to any descriptor; datagrams that pend are lost then.
public final class SocketHandler<Format: Formatter>: ConnectedHandler, @unchecked Sendable {
    @exclusivity(unchecked) private var formatter: Format
    private let parts: CallSite.Parts
    private let framing: Framing

    /// - Parameters:
    ///   - endpoint: where to connect.
    ///   - formatter: how records look.
    ///   - framing: how the receiver tells where a record ends: a line feed on streams, nothing in datagrams, unless
    ///     given.
    ///   - spool: where records wait while there is no connection.
    ///   - levels: records of other levels are ignored.
    ///   - reserve: how many of the spool's bytes are kept for records of level error and above; a sixteenth, if not
    ///     given.
    ///   - overflow: what happens when the spool is full.
    ///   - maximumLineLength: in bytes. A longer record has its texts cut, each with a mark. 256 KiB on streams; over
    ///     UDP 65,000, which a datagram holds.
    ///   - backoff: the pauses between attempts to connect.
    ///   - connectTimeout: how long an attempt may take, the looking up of the name included.
    public convenience init(
        _ endpoint: Endpoint, formatter: Format, framing: Framing? = nil, spool: Spool = .memory(),
        levels: ClosedRange<Level> = .trace ... .critical,
        reserve: Int? = nil, overflow: Overflow = .suspend, maximumLineLength: Int? = nil, backoff: Backoff = Backoff(),
        connectTimeout: Duration = .seconds(10)
    ) {
        self.init(
            endpoint, formatter: formatter, framing: framing, spool: spool, levels: levels, reserve: reserve,
            overflow: overflow,
            maximumLineLength: maximumLineLength, backoff: backoff, connectTimeout: connectTimeout,
            random: SystemRandomNumberGenerator())
    }

    package init(
        _ endpoint: Endpoint, formatter: Format, framing: Framing? = nil, spool: Spool = .memory(),
        levels: ClosedRange<Level> = .trace ... .critical,
        reserve: Int? = nil, overflow: Overflow = .suspend, maximumLineLength: Int? = nil, backoff: Backoff = Backoff(),
        connectTimeout: Duration = .seconds(10), random: any RandomNumberGenerator & Sendable
    ) {
        self.formatter = formatter
        parts = formatter.callSiteParts
        let framing = framing ?? (endpoint.isDatagrams && spool.disk == nil ? .none : .newline)
        self.framing = framing
        super.init(
            endpoint, framing: framing, spool: spool, levels: levels, reserve: reserve, overflow: overflow,
            maximumLineLength: maximumLineLength ?? endpoint.longestRecord, backoff: backoff, timeout: connectTimeout,
            random: random)
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
