// The counts of the records and the cost of the load, as one JSON object in one line.
import AsyncLog
@preconcurrency import Glibc

struct Report {
    var ledger = Ledger()
    var bytes: UInt64 = 0
    var maxTickGap: Int64 = 0
    var latencies = LatencyHistogram()
    var elapsed: Int64 = 0
    var turns: UInt64 = 0
    var state = "ready"

    /// The records lost for a reason other than the chosen policy.
    func lostUnintentionally(_ overflow: OverflowOption) -> Bool {
        ledger.dropped.contains { reason, count in
            switch reason {
            case .overflow, .shed: false
            default: count > 0
            }
        }
    }

    private var json: String {
        let dropped = Ledger.DropReason.allCases.compactMap { reason in
            ledger.dropped[reason].map { "\"\(reason.rawValue)\": \($0)" }
        }
        let numbers: [(String, any CustomStringConvertible)] = [
            ("accepted", ledger.accepted), ("written", ledger.written),
            ("dropped", "{\(dropped.joined(separator: ", "))}"),
            ("pending", ledger.pending), ("bytes", bytes), ("max_tick_gap_ms", Double(maxTickGap / 1000) / 1000),
            ("p50_ns", latencies.quantile(0.5)), ("p99_ns", latencies.quantile(0.99)),
            ("p999_ns", latencies.quantile(0.999)),
            ("max_ns", latencies.largest), ("clock_ns", Clock.cost), ("elapsed_ns", elapsed), ("cpu_ns", processorTime),
            ("peak_rss_kb", peakMemory), ("turns", turns), ("write_calls", ledger.writeCalls), ("state", quoted(state)),
        ]
        return "{" + numbers.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n") + "\""
    }

    private var processorTime: Int64 {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return [usage.ru_utime, usage.ru_stime].reduce(0) {
            $0 + Int64($1.tv_sec) * 1_000_000_000 + Int64($1.tv_usec) * 1000
        }
    }

    /// In KiB. Not `ru_maxrss`, which includes the memory of the process that started this program by fork(2)
    /// (getrusage(2)).
    private var peakMemory: Int {
        guard let file = fopen("/proc/self/status", "re") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, CInt(line.count), file) != nil {
            let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split {
                " \t\n".contains($0)
            }
            if words.first == "VmHWM:" { return words.count > 1 ? Int(words[1]) ?? 0 : 0 }
        }
        return 0
    }

    /// Writes the report to standard error or to the file. Even after a crash the file holds this report or the one
    /// before, whole. Blocks.
    func publish(to path: String?) throws {
        let line = json + "\n"
        guard let path else {
            fputs(line, stderr)
            return
        }
        let draft = path + ".new"
        guard let file = fopen(draft, "we") else { throw ReportError(operation: "open", path: draft, errno: errno) }
        let isWritten = fputs(line, file) >= 0
        guard fclose(file) == 0, isWritten else { throw ReportError(operation: "write", path: draft, errno: errno) }
        guard rename(draft, path) == 0 else { throw ReportError(operation: "rename", path: draft, errno: errno) }
    }
}

/// The report could not be written.
struct ReportError: Error, CustomStringConvertible {
    let operation: String
    let path: String
    let errno: CInt
    var description: String { "\(operation) \"\(path)\": \(String(cString: strerror(errno)))" }
}
