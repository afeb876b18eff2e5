// Reads what LogLoad has logged, and says whether all is there: whole, once, in order, and if not, whether the log itself says so.
//
//     LogLoad --tasks 100 | logcheck
//     logcheck app.log app.log.1 app.log.2.gz
//     logcheck --report report.json app.log
//
// Several files are one log: they are taken in the order of their first records (with `--order task`, in the order in which they are named), `.gz`
// and `.zst` through the system's gzip and zstd.
// Each record says which it is (`seq`), so that what is torn, doubled, out of order or missing shows. What is missing has to be
// what the log reports as dropped, in number and in place, and what the ledger of LogLoad's report has as dropped.
//
// The exit status is 0 if all is in order, 1 if not, 2 if a file cannot be read, 64 for flags that make no sense.
import ArgumentParser
import Foundation

@main
struct LogCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logcheck", abstract: "Says whether a log that LogLoad has written is whole.",
        discussion: "Exit status: 0 all is in order, 1 it is not, 2 a file cannot be read.")

    @Argument(help: "The log's files, in any order (but see --order); standard input, if there is none.")
    var files: [String] = []

    @Option(help: "text, console, json, logfmt or msgpack; found out by looking, unless given.")
    var format: Format?

    @Option(help: "acceptance: records come in the order of their numbers; task: those of each task or thread do, and files are named oldest first.")
    var order = Order.acceptance

    @Option(help: "The report that LogLoad has written.")
    var report: String?

    @Option(help: "How many records were logged, if there is no report that says so.")
    var lines: Int?

    @Flag(help: "The program was killed: its last record may be torn, and the report is that of its last flush.")
    var killed = false

    @Option(help: "What is in order all the same; may be given more than once.")
    var allow: [Allowance] = []

    enum Order: String, ExpressibleByArgument, CaseIterable { case acceptance, task }

    enum Allowance: String, ExpressibleByArgument, CaseIterable {
        /// The last record of all may be torn.
        case tornLast = "torn-last"
        /// What is missing at the end need not have been reported in the log: the end of the program said it elsewhere.
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
            // Written at the end of a load, which may have come through a pipe to us.
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
