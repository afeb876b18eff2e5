// What a spool's file looks like, version 2. This is the one place where it is said. Numbers in binary are
// little-endian.
//
//     file    header, mark, then records and marks
//     header  "TITLE 2 HHHHHHHHHHHHHHHH NNNNNNNNNNNNNNNN CCCCCCCC\n", filled up with blanks before the line feed to 64 bytes. The title is the
//             user's, of at most 18 bytes, and says whose file it is; in hexadecimal H is where the first record stands that has not been sent, N its number, C the CRC-32C of all before it
//     record  24 bytes, then the record as it goes over the wire, with its frame
//               0  F5 53 50 32, which text in UTF-8 never contains
//               4  the record's length in bytes, 32 bits, more than 0
//               8  its number, 64 bits: one more than that of the record before it
//              16  the CRC-32C of the record, 32 bits
//              20  the CRC-32C of the 20 bytes before, 32 bits
//     mark    24 bytes like those of a record, with the length 0. What follows the last mark up to the end of the file and is no record was written by a
//             crash handler: records as they go over the wire, without anything else. The next run of the program makes records of them, as far as they
//             are frames with text in them.
//
// So the beginning of a record is found again behind any damage: by the four bytes, and the checksum that says that
// they are no accident. The gap in the numbers then says how many records are lost.
import SystemPackage

package enum SpoolFormat {
    /// Of the header, with the mark behind it: where the first record stands.
    package static let headerSize = 64 + recordHeaderSize
    /// What a record, or a mark, takes beyond its own bytes.
    package static let recordHeaderSize = 24

    private static let marker: UInt32 = 0x3250_53F5
    private static let mostTitleBytes = 18

    private static func prefix(_ title: String) -> String {
        precondition(title.utf8.count <= mostTitleBytes, "spool title: must have at most \(mostTitleBytes) bytes")
        return title + " 2 "
    }

    // MARK: The header

    static func header(_ title: String, head: Int, number: UInt64) -> [UInt8] {
        let text = prefix(title) + hexadecimal(UInt64(head), 16) + " " + hexadecimal(number, 16) + " "
        let checksum = Array(text.utf8).withUnsafeBytes { CRC32C.checksum($0) }
        let whole = text + hexadecimal(UInt64(checksum), 8)
        return Array((whole + String(repeating: " ", count: 63 - whole.utf8.count) + "\n").utf8)
    }

    /// Nil: it is damaged, or none.
    static func readHeader(_ bytes: [UInt8], _ title: String) -> (head: Int, number: UInt64)? {
        let prefix = prefix(title).utf8
        guard bytes.count >= 64, bytes.starts(with: prefix) else { return nil }
        let fields = String(decoding: bytes[prefix.count..<63], as: UTF8.self).split(separator: " ").map {
            UInt64($0, radix: 16)
        }
        guard fields.count == 3, let head = fields[0].flatMap({ Int(exactly: $0) }), let number = fields[1],
            head >= headerSize
        else { return nil }
        return Array(bytes[..<64]) == header(title, head: head, number: number) ? (head, number) : nil
    }

    /// Whether the bytes are the beginning of what a new file begins with, cut off by a crash.
    static func isBegun(_ bytes: [UInt8], _ title: String) -> Bool {
        let prefix = prefix(title).utf8
        return bytes.count < headerSize && bytes.prefix(prefix.count).elementsEqual(prefix.prefix(bytes.count))
    }

    private static func hexadecimal(_ value: UInt64, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }

    // MARK: Records

    /// The 24 bytes before a record; with no bytes: a mark.
    static func append(to memory: inout [UInt8], number: UInt64, _ record: UnsafeRawBufferPointer) {
        let start = memory.count
        func put<Number: FixedWidthInteger>(_ value: Number) {
            withUnsafeBytes(of: value.littleEndian) { memory.append(contentsOf: $0) }
        }
        put(marker)
        put(UInt32(record.count))
        put(number)
        put(CRC32C.checksum(record))
        put(memory[start...].withUnsafeBytes { CRC32C.checksum($0) })
        memory.append(contentsOf: record)
    }

    /// What stands at a place in a spool's file.
    enum Item: Equatable {
        /// A record that is whole.
        case record(Range<Int>, number: UInt64)
        case mark(end: Int)
        /// The beginning of a record that goes on up to there, beyond the bytes that are known.
        case begun(end: Int)
        /// Nothing that could be read, or a record that is damaged: its bytes may have been moved, so not even its
        /// length says where it ends. The next thing that can stands there; nil: none of the bytes that are known.
        case garbage(end: Int?)
    }

    static func item(in bytes: UnsafeRawBufferPointer, at start: Int) -> Item {
        guard let (length, number, checksum) = recordHeader(bytes, start) else {
            return garbage(bytes, start)
        }
        let begin = start + recordHeaderSize
        if length == 0 { return .mark(end: begin) }
        guard length <= bytes.count - begin else { return .begun(end: begin + length) }
        let record = begin..<begin + length
        guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[record])) == checksum else {
            return garbage(bytes, start)
        }
        return .record(record, number: number)
    }

    private static func garbage(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Item {
        let next = next(in: bytes, after: start)
        return .garbage(end: next < bytes.count ? next : nil)
    }

    /// Where the next record or mark begins behind `start`; the end, if there is none.
    static func next(in bytes: UnsafeRawBufferPointer, after start: Int) -> Int {
        var next = start + 1
        while next + recordHeaderSize <= bytes.count {
            if recordHeader(bytes, next) != nil { return next }
            next += 1
        }
        return bytes.count
    }

    private static func recordHeader(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> (
        length: Int, number: UInt64, checksum: UInt32
    )? {
        guard bytes.count - start >= recordHeaderSize, word(bytes, start) == marker else { return nil }
        let head = UnsafeRawBufferPointer(rebasing: bytes[start..<start + 20])
        guard word(bytes, start + 20) == CRC32C.checksum(head) else { return nil }
        let number = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
        return (Int(word(bytes, start + 4)), number, word(bytes, start + 16))
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
