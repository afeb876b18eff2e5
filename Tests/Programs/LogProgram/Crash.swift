// The ways in which a program can crash, and what it has logged by then.
import AsyncFD
import AsyncLog
import EventLoop
@preconcurrency import Glibc
import SystemPackage

struct Crash {
    let logger: Logger

    /// A logger of standard output in a format; `standard` splits what it gets as usual.
    init(format: String) throws {
        func output(_ formatter: some Formatter, capacity: Int = 1 << 20) -> Logger {
            Logger("program", handlers: [StreamHandler(.standardOutput, formatter: formatter, capacity: capacity)])
        }
        logger =
            switch format {
            case "text": output(TextFormatter())
            case "console": output(ConsoleFormatter(color: .never))
            case "json": output(JSONFormatter())
            case "logfmt": output(LogfmtFormatter())
            case "msgpack": output(MessagePackFormatter())
            case "pattern":
                try output(
                    TextFormatter(
                        pattern: TextPattern("{clock:s} {epoch:ns} {level} {message}{fields} {time:ns}"),
                        timeZone: .fixed(secondsFromUTC: -12_600)))
            case "nested": output(JSONFormatter(time: .epoch(.milliseconds), fields: .nested("data")))
            case "hexadecimal": output(Hexadecimal())
            case "octets": output(OctetCounted())
            case "small":
                try output(TextFormatter(pattern: TextPattern("{sequence} {message}{fields}")), capacity: 2048)
            default: Logger.standard("program")
            }
    }

    func happen(_ how: String) async {
        if how == "quietly" { CrashFlush.isEnabled = false }
        switch how {
        case "undelivered":  // records of another thread that the loop has had no time to look at
            inThread { for line in 0..<5 { logger.info("line \(line)") } }
            abort()
        case "unwritten":
            await haveTasksWait()
            abort()
        case "exit-waiting":
            await haveTasksWait()
            exit(7)
        case "stranger":  // another thread logs and crashes, while the loop is well
            startThread {
                for line in 0..<1000 { logger.info("line \(line)") }
                fatalError("on purpose")
            }
            try? await EventLoop.sleep(for: .seconds(3600))
        case "nothing":  // that has been logged
            abort()
        default:
            log(1000)
            crash(how)
        }
    }

    private func log(_ lines: Int) { for line in 0..<lines { logger.info("line \(line)") } }

    private func crash(_ how: String) {
        switch how {
        case "trap": fatalError("on purpose")
        case "index": _ = [1, 2, 3][CommandLine.arguments.count]
        case "segv": UnsafeMutablePointer<Int>(bitPattern: 8)!.pointee = 1
        case "abort", "quietly": abort()
        case "stack": if overflow(1) == 7 { exit(3) }
        case "fpe": raise(SIGFPE)
        case "bus": raise(SIGBUS)
        case "ill": raise(SIGILL)
        case "int3": raise(SIGTRAP)
        case "thread":  // another thread crashes, while the loop is busy
            startThread { fatalError("on purpose") }
            while true { usleep(1000) }
        default: exit(2)
        }
    }

    /// Fills the pipe and the buffer, has five tasks wait for room, and reports it on standard error. Before the test
    /// reads, nothing changes.
    private func haveTasksWait() async {
        var ledger = await logger.ledger
        while ledger.droppedTotal == 0 {
            logger.nowait.info("filler")
            ledger = await logger.ledger
        }
        for _ in 0..<5 { Task { await logger.info("waits") } }
        while await logger.ledger.accepted < ledger.accepted + 5 { await Task.yield() }
        _ = write(2, "full\n", 5)
    }
}

/// A length in front of each record, as on syslog's TCP connections.
struct OctetCounted: Formatter {
    private var text = TextFormatter()

    mutating func format(_ record: borrowing Record, to line: inout LineBuffer) {
        text.format(record, to: &line)
        let framed = "\(line.count) " + String(decoding: line.bytes, as: UTF8.self)
        line.clear()
        line.append(framed)
    }
}

/// Writes times in a style of its own.
struct Hexadecimal: Formatter {
    func format(_ record: borrowing Record, to line: inout LineBuffer) {
        line.append(String(record.time.nanoseconds, radix: 16))
        line.append(" ")
        line.appendEscaped(record.message)
        line.appendFields(of: record) { field, line in
            guard case .text(let text) = field.value else { return }
            line.append(" ")
            line.appendEscaped(field.key)
            line.append("=")
            line.appendEscaped(text)
        }
        line.append("\n")
    }
}

/// Needs more stack than there is.
@inline(never)
nonisolated func overflow(_ depth: Int) -> Int { depth == -1 ? 0 : overflow(depth + 1) &+ depth }

// MARK: Threads

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

@discardableResult
private func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(ThreadBody(body)).toOpaque())
    return thread
}

private func inThread(_ body: @escaping @Sendable () -> Void) { pthread_join(startThread(body), nil) }
