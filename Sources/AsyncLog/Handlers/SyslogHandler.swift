// A handler that speaks syslog, to the machine's own daemon or over the network.
import AsyncFD
import EventLoop

/// Sends records to a syslog daemon.
///
///     SyslogHandler(.local, facility: .daemon, app: "web")                     // /dev/log
///     SyslogHandler(.tcp("logs.example.com", port: 514))                       // RFC 5424, octets counted
///     SyslogHandler(.udp("10.0.0.1", port: 514), format: .rfc3164)
///
/// Connections break, are made again, and spool as those of `SocketHandler` do; a daemon that is restarted loses
/// nothing that it had not taken yet.
public final class SyslogHandler: ConnectedHandler, @unchecked Sendable {
    @exclusivity(unchecked) private var formatter: SyslogFormatter
    private let framing: Framing

    /// - Parameters:
    ///   - endpoint: where the daemon listens.
    ///   - format: which kind of messages; RFC 5424 over the network, what `syslog(3)` writes to a Unix socket, if not
    ///     given.
    ///   - facility: from which part of the system they come.
    ///   - app: what the program is called; the name by which it was started, if not given.
    ///   - host: what the machine is called; its own name, if not given.
    ///   - structuredDataID: what the fields' structured data are called; see `SyslogFormatter`.
    ///   - framing: on streams: the octets are counted (RFC 6587), unless given.
    ///   - spool: where records wait while there is no connection.
    ///   - levels: records of other levels are ignored.
    ///   - reserve: how many of the spool's bytes are kept for records of level error and above; a sixteenth, if not
    ///     given.
    ///   - overflow: what happens when the spool is full.
    ///   - maximumLineLength: in bytes; 8192, which is what daemons take unless they are told otherwise. A longer
    ///     record has its texts cut, each with a mark.
    ///   - backoff: the pauses between attempts to connect.
    ///   - connectTimeout: how long an attempt may take, the looking up of the name included.
    public init(
        _ endpoint: Endpoint = .local, format: SyslogFormat? = nil, facility: SyslogFacility = .user,
        app: String? = nil, host: String? = nil,
        structuredDataID: String = "fields@32473", framing: Framing? = nil, spool: Spool = .memory(),
        levels: ClosedRange<Level> = .trace ... .critical, reserve: Int? = nil, overflow: Overflow = .suspend,
        maximumLineLength: Int = 8192,
        backoff: Backoff = Backoff(), connectTimeout: Duration = .seconds(10)
    ) {
        let framing = framing ?? (!endpoint.isDatagrams ? .octetCounting : spool.disk == nil ? .none : .newline)
        self.framing = framing
        formatter = SyslogFormatter(
            format ?? (endpoint.isInternet ? .rfc5424 : .local), facility: facility, app: app, host: host,
            structuredDataID: structuredDataID,
            endsLine: false)
        super.init(
            endpoint, framing: framing, spool: spool, levels: levels, reserve: reserve, overflow: overflow,
            maximumLineLength: maximumLineLength,
            backoff: backoff, timeout: connectTimeout, random: SystemRandomNumberGenerator())
    }

    override public var callSiteParts: CallSite.Parts { formatter.callSiteParts }
    override var timestamps: [Timestamp]? { formatter.timestamps }

    override func layOut(_ record: borrowing Record, to line: inout LineBuffer) {
        formatter.format(record, to: &line)
        framing.frame(&line)
    }
}

extension Endpoint {
    /// The machine's own syslog daemon: datagrams to /dev/log.
    public static var local: Endpoint { .unixDatagrams("/dev/log") }

    fileprivate var isInternet: Bool {
        switch self {
        case .tcp, .udp: true
        case .unix, .unixDatagrams: false
        }
    }
}
