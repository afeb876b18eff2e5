// Syslog: what the formatter writes is what the RFCs say, whatever is logged; and rsyslog, which knows nothing of us,
// takes it all.
import AsyncFD
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Syslog")
struct SyslogTests {
    @Test("RFC 5424: fields are structured data, names are what the RFC allows")
    func rfc5424() throws {
        let formatter = SyslogFormatter(.rfc5424, facility: .daemon, app: "my app", host: "höst", endsLine: false)
        let texts = try lines(formatter, name: "web.db") { logger in
            await logger.info("user logged in", ["user": 7, "note": "a \"b\" [c] \\d", "ok": true])
            await logger.error("no\nfields")
            await logger.critical("", ["a b": "\u{1b}[31m", "much too long a name for a parameter": 1.5])
        }
        let origin = "2026-11-22T08:27:00.123456Z h__st my_app \(getpid()) web.db"
        #expect(
            texts == [
                "<30>1 \(origin) [fields@32473 user=\"7\" note=\"a \\\"b\\\" [c\\] \\\\d\" ok=\"true\"] user logged in",
                "<27>1 \(origin) - no\\nfields",
                "<26>1 \(origin) [fields@32473 a_b=\"\\\\u{1b}[31m\" much_too_long_a_name_for_a_param=\"1.5\"]",
            ])
    }

    @Test("RFC 3164, and what syslog(3) writes: local time, a tag, fields behind the message")
    func rfc3164() throws {
        let zone = LogTimeZone.fixed(secondsFromUTC: 3600)
        let full = try lines(SyslogFormatter(.rfc3164, facility: .local7, app: "web:1", host: "host", timeZone: zone)) {
            logger in
            await logger.warning("slow", ["ms": 830])
        }
        #expect(full == ["<188>Nov 22 09:27:00 host web_1[\(getpid())]: slow ms=830"])
        let local = try onLoop {
            let collector = Collector(SyslogFormatter(.local, app: "web", timeZone: .utc, endsLine: false))
            let clock = ManualLogClock(WallTime(nanoseconds: 5 * 86_400_000_000_000 - 1))
            await Logger("app", handlers: [collector], clock: .manual(clock)).info("one digit")
            return collector.texts
        }
        #expect(local == ["<14>Jan  5 23:59:59 web[\(getpid())]: one digit"])
    }

    @Test(
        "any record whatsoever is a message by the RFC's grammar, and its texts, numbers and names come back",
        arguments: 0..<4)
    func anyRecord(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        for _ in 0..<500 {
            let (text, fields) = (random.text(), random.fields(depth: 2))
            let (app, host, name) = (random.text(), random.text(), random.text())
            let formatter = SyslogFormatter(app: app, host: host, structuredDataID: random.text(), endsLine: false)
            let level = Level.allCases.randomElement(using: &random)!
            let output = try onLoop {
                let collector = Collector(formatter)
                let logger = Logger(name, level: .trace, handlers: [collector], clock: .manual(.fixed))
                await logger.log(
                    level, "\(text)", Fields { for key in fields.keys { $0[FieldKey(key)] = fields[key]! } })
                return collector.lines
            }
            let line = try #require(output.first)
            let message = try SyslogMessage(line)
            #expect(!line.contains(10) && !line.contains(0) && !line.contains(27), "a control character")
            #expect(
                message.timestamp == "2026-11-22T08:27:00.123456Z" && message.priority / 8 == 1
                    && message.process == "\(getpid())")
            #expect(message.message ?? "" == escaped(text))
            #expect(message.structuredData.count == (fields.keys.isEmpty ? 0 : 1))
            var expected: [(String, String?)] = []
            flatten(fields, "", &expected)
            let parameters = message.structuredData.first?.parameters ?? []
            #expect(numbered(expected.map(\.0)) == parameters.map(\.name))
            #expect(Set(parameters.map(\.name)).count == parameters.count)
            for (parameter, (_, value)) in zip(parameters, expected) where value != nil {
                #expect(parameter.value == value)
            }
        }
    }

    /// Names as they have to come out, and the values of texts, integers, booleans and nulls; the others' looks are for
    /// other tests.
    private func flatten(_ fields: KeptFields, _ prefix: String, _ result: inout [(String, String?)]) {
        for key in fields.keys {
            let name = prefix + key
            switch fields[key]! {
            case .object(let inner) where !inner.keys.isEmpty: flatten(inner, name + ".", &result)
            case .text(let text): result.append((cleaned(name), escaped(text)))
            case .int(let value): result.append((cleaned(name), "\(value)"))
            case .uint(let value): result.append((cleaned(name), "\(value)"))
            case .bool(let value): result.append((cleaned(name), "\(value)"))
            case .null: result.append((cleaned(name), "null"))
            default: result.append((cleaned(name), nil))
            }
        }
    }

    /// Names that come again have a number, within thirty-two characters.
    private func numbered(_ names: [String]) -> [String] {
        var taken: Set<String> = []
        return names.map { name in
            var (result, number) = (name, 1)
            while !taken.insert(result).inserted {
                number += 1
                let mark = "_\(number)"
                result = name.prefix(32 - mark.count) + mark
            }
            return result
        }
    }

    private func cleaned(_ name: String) -> String {
        let bytes = name.utf8.prefix(32).map { (33...126).contains($0) && $0 != 61 && $0 != 93 && $0 != 34 ? $0 : 95 }
        return bytes.isEmpty ? "-" : String(decoding: bytes, as: UTF8.self)
    }

    private func escaped(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar.value {
            case 9: return "\\t"
            case 10: return "\\n"
            case 13: return "\\r"
            case 0..<32, 0x7F...0x9F:
                return "\\u{" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16) + "}"
            case 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
                let digits = String(scalar.value, radix: 16)
                return "\\u{" + String(repeating: "0", count: 4 - digits.count) + digits + "}"
            default: return String(scalar)
            }
        }.joined()
    }

    // MARK: rsyslogd

    private static let withDaemon: String? = SyslogDaemon.path == nil ? "no rsyslogd" : nil

    @Test(
        "rsyslogd takes records over TCP, UDP and a Unix socket, with every part where it belongs",
        .enabled(if: SyslogTests.withDaemon == nil, "skipped: there is no rsyslogd"), arguments: ["tcp", "udp", "unix"])
    func daemon(way: String) throws {
        let daemon = try SyslogDaemon()
        try onLoop {
            let endpoint = daemon.endpoint(way)
            // A handler connects at once, and a flush before that throws.
            #expect(await eventually { daemon.isListening(way) })
            let handler = SyslogHandler(
                endpoint, format: .rfc5424, facility: .local3, app: "web", host: "here",
                backoff: Backoff(first: .milliseconds(5), longest: .milliseconds(20)))
            let logger = Logger("web.db", level: .trace, handlers: [handler])
            for index in 0..<200 {
                await logger.info("number \(index) \u{e9}\n", ["index": index, "text": "a]b\"c\\"])
            }
            await logger.error("bad")
            try await logger.flush()
            #expect(await eventually { daemon.lines.count >= 201 }, "\(daemon.lines.count) came")
            let origin = "here|web|\(getpid())|web.db"
            let expected =
                (0..<200).map {
                    "158|\(origin)|[fields@32473 index=\"\($0)\" text=\"a\\]b\\\"c\\\\\"]|number \($0) \u{e9}\\n"
                }
                + ["155|\(origin)|-|bad"]
            for (line, expected) in zip(daemon.lines, expected) where line != expected {
                Issue.record("\(line)\n\(expected)")
                break
            }
            await handler.close()
        }
        try daemon.stop()
    }

    @Test(
        "rsyslogd understands what we write to /dev/log and in the manner of RFC 3164",
        .enabled(if: SyslogTests.withDaemon == nil, "skipped: there is no rsyslogd"))
    func daemonOld() throws {
        let daemon = try SyslogDaemon()
        try onLoop {
            let backoff = Backoff(first: .milliseconds(5), longest: .milliseconds(20))
            #expect(
                await eventually {
                    daemon.isListening("unix") && daemon.isListening("udp") && daemon.isListening("tcp")
                })
            let local = SyslogHandler(daemon.endpoint("unix"), facility: .daemon, app: "web", backoff: backoff)
            let logger = Logger("app", handlers: [local])
            await logger.info("by the socket", ["user": 7])
            try await logger.flush()
            #expect(await eventually { daemon.lines.count == 1 })
            let old = SyslogHandler(
                daemon.endpoint("udp"), format: .rfc3164, facility: .daemon, app: "web", host: "there", backoff: backoff
            )
            let other = Logger("app", handlers: [old])
            await other.warning("by UDP", ["user": 8])
            try await other.flush()
            #expect(await eventually { daemon.lines.count == 2 })
            #expect(
                daemon.lines[0].hasPrefix("30|")
                    && daemon.lines[0].hasSuffix("|web|\(getpid())|-|-| by the socket user=7"))
            #expect(daemon.lines[1] == "28|there|web|\(getpid())|-|-| by UDP user=8")
            await local.close()
            await old.close()
        }
        try daemon.stop()
    }

    @Test(
        "a daemon that is killed and started again: records that it had not received wait and arrive, in order",
        .enabled(if: SyslogTests.withDaemon == nil, "skipped: there is no rsyslogd"), arguments: ["tcp", "unix"])
    func daemonRestarts(way: String) throws {
        let daemon = try SyslogDaemon()
        try onLoop {
            #expect(await eventually { daemon.isListening(way) })
            let handler = SyslogHandler(
                daemon.endpoint(way), format: .rfc5424, app: "web",
                backoff: Backoff(first: .milliseconds(5), longest: .milliseconds(50)))
            let logger = Logger("app", handlers: [handler])
            for index in 0..<50 { await logger.info("first \(index)") }
            try await logger.flush()
            #expect(await eventually { daemon.lines.count == 50 })
            try daemon.kill()
            for index in 0..<50 { await logger.info("second \(index)") }
            #expect(await eventually { if case .degraded = await handler.state { true } else { false } })
            try daemon.start()
            #expect(await eventually { daemon.lines.count == 100 })
            #expect(
                daemon.lines.map { $0.split(separator: "|").last } == (0..<50).map { "first \($0)" }
                    + (0..<50).map { "second \($0)" })
            #expect(await eventually { await handler.state == .ready })
            let ledger = await handler.close()
            #expect(ledger.written == 100 && ledger.droppedTotal == 0)
        }
        try daemon.stop()
    }
}

/// An rsyslogd of the test's own: its sockets, ports and files, and nothing of the system's.
private final class SyslogDaemon {
    static let path: String? = ["/usr/sbin/rsyslogd", "/usr/bin/rsyslogd"].first { (path: String) in
        access(path, X_OK) == 0
    }

    private let folder: TemporaryFolder
    private let port: UInt16
    private var process: ChildProcess?

    init() throws {
        folder = try TemporaryFolder()
        port = Ports.next()
        let configuration = """
            global(workDirectory="\(folder.path)")
            module(load="imuxsock" SysSock.Use="off")
            module(load="imtcp")
            module(load="imudp")
            input(type="imuxsock" Socket="\(folder.file("log"))" UseSpecialParser="off" ParseHostname="on" RateLimit.Interval="0" Unlink="on")
            input(type="imtcp" port="\(port)" address="127.0.0.1")
            input(type="imudp" port="\(port)" address="127.0.0.1")
            template(name="parts" type="string" string="%pri%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\\n")
            action(type="omfile" file="\(folder.file("out"))" template="parts")

            """
        let file = open(folder.file("conf"), O_WRONLY | O_CREAT, 0o600)
        _ = configuration.withCString { write(file, $0, strlen($0)) }
        Glibc.close(file)
        try start()
    }

    deinit { process?.signal(SIGKILL) }

    func start() throws {
        process = try ChildProcess(
            try #require(SyslogDaemon.path), ["-n", "-i", folder.file("pid"), "-f", folder.file("conf")])
    }

    /// Kills the daemon with SIGKILL.
    func kill() throws {
        process?.signal(SIGKILL)
        try process?.wait()
        process = nil
        unlink(folder.file("pid"))
    }

    func stop() throws {
        process?.signal(SIGTERM)
        try process?.wait(limit: 60)
        process = nil
    }

    func endpoint(_ way: String) -> Endpoint {
        switch way {
        case "tcp": .tcp("127.0.0.1", port: port)
        case "udp": .udp("127.0.0.1", port: port)
        default: .unixDatagrams(folder.file("log"))
        }
    }

    /// Whether the daemon is there; its UDP port is open when its TCP port is, which is opened later.
    func isListening(_ way: String) -> Bool {
        if way == "unix" { return access(folder.file("log"), F_OK) == 0 }
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(socket) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// The lines that the daemon has written.
    var lines: [String] {
        let file = open(folder.file("out"), O_RDONLY)
        guard file >= 0 else { return [] }
        defer { Glibc.close(file) }
        return readText(file).split(separator: "\n").map(String.init)
    }
}
