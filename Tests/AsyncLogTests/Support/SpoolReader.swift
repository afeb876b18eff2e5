// A spool's file, read by what the description of its format says (SpoolFormat.swift), and by nothing else.
import TestSupport

/// Follows the records from the first to the last, checksums unseen.
struct SpoolReader {
    struct Record {
        /// Where its 24 bytes begin.
        let start: Int
        let number: UInt64
        let bytes: [UInt8]
    }

    private(set) var records: [Record] = []
    let size: Int

    init(_ path: String) {
        let file = (try? readAll(path: path)) ?? []
        size = file.count
        var start = 64
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(file[offset + $1]) << (8 * UInt64($1)) }
        }
        while start + 24 <= file.count, file[start..<start + 4].elementsEqual([0xF5, 0x53, 0x50, 0x32]) {
            let length = Int(number(start + 4, 4))
            guard start + 24 + length <= file.count else { return }
            if length > 0 {
                records.append(
                    Record(
                        start: start, number: number(start + 8, 8), bytes: Array(file[start + 24..<start + 24 + length])
                    ))
            }
            start += 24 + length
        }
    }
}
