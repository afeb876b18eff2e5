// LogLoad's report: how many records the program itself counts as written, dropped and pending.
import Foundation

struct LoadReport: Decodable {
    let accepted: Int
    let written: Int
    let dropped: [String: Int]
    let pending: Int

    var droppedTotal: Int { dropped.values.reduce(0, +) }

    /// Reads a file whose last line is the report: LogLoad's `--report`, or its whole standard error.
    init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw UnreadableInput(path: path, reason: "cannot be read")
        }
        guard let line = data.split(separator: 0x0A).last else {
            throw UnreadableInput(path: path, reason: "empty, where a report was expected")
        }
        do { self = try JSONDecoder().decode(LoadReport.self, from: line) } catch {
            throw UnreadableInput(path: path, reason: "no report of LogLoad")
        }
    }
}
