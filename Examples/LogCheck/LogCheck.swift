// Reads the log of LogLoad and says whether every record is there: whole, once and in order. If records are missing, it
// says whether the log itself reports them.
//
//     LogLoad --tasks 100 | logcheck
//     logcheck app.log app.log.1 app.log.2.gz
//     logcheck --report report.json app.log
//
// Several files are one log. logcheck reads them in the order of their first records (with `--order task`, in the order
// of the arguments), and reads `.gz` and `.zst` through the system's gzip and zstd. Each record has its number (`seq`),
// which reveals torn, doubled, misplaced and missing records. The missing records must be those that the log reports as
// dropped, in number and in place, and those that the ledger of LogLoad's report counts as dropped.
//
// The exit status is 0 if all is in order, 1 if not, 2 if a file cannot be read, 64 for invalid flags.
import ArgumentParser
import Foundation

@main
struct LogCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logcheck", abstract: "Checks whether a log that LogLoad has written is whole.",
        discussion: "Exit status: 0 the log is in order, 1 it is not, 2 a file cannot be read.")

    @Argument(help: "The log's files, in any order (but see --order); standard input, if there is none.")
    var files: [String] = []

    @Option(help: "text, console, json, logfmt or msgpack; detected from the log, unless given.")
    var format: Format?

    @Option(
        help:
            "acceptance: records come in the order of their numbers; task: those of each task or thread do, and files are named oldest first."
    )
    var order = Order.acceptance

    @Option(help: "The report that LogLoad has written.")
    var report: String?

    @Option(help: "How many records were logged, if there is no report.")
    var lines: Int?

    @Flag(help: "The program was killed: its last record may be torn, and the report is that of its last flush.")
    var killed = false

    @Option(help: "A finding to accept; may be given more than once.")
    var allow: [Allowance] = []

    enum Order: String, ExpressibleByArgument, CaseIterable { case acceptance, task }

    enum Allowance: String, ExpressibleByArgument, CaseIterable {
        /// The last record of all may be torn.
        case tornLast = "torn-last"
        /// Records missing at the end need no report in the log: the program reported them elsewhere at its end.
        case unreported
    }

    func validate() throws {
        if let lines, lines < 0 { throw ValidationError("--lines \(lines): there is no negative number of records") }
        if files.filter({ $0 == "-" }).count > 1 { throw ValidationError("standard input can be read only once") }
    }

    func run() throws {
        let findings: Findings
        do {
            let inputs = try Input.inOrder(files.isEmpty ? ["-"] : files, format, order)
            var checker = Checker(order: order)
            for (index, input) in inputs.enumerated() {
                try input.forEachEntry { checker.take($0) }
                checker.endFile(isLast: index == inputs.count - 1)
            }
            // LogLoad writes the report at its end, and its log may come through a pipe: so read the log first.
            findings = Findings(checker, try report.map(LoadReport.init(path:)), self)
        } catch let error as UnreadableInput {
            FileHandle.standardError.write(Data("logcheck: \(error)\n".utf8))
            throw ExitCode(2)
        }
        print(findings.text)
        if !findings.complaints.isEmpty { throw ExitCode.failure }
    }
}

extension Format: ExpressibleByArgument {}
