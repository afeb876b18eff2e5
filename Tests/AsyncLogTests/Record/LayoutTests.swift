// Assumptions of one place in the code about another that the compiler does not check.
import EventLoop
import Testing

@testable import AsyncLog

@Suite("Layouts that two places agree on")
struct LayoutTests {
    @Test("the table of sizes that a reader uses is that of the kinds, in their order", arguments: ValueKind.allCases)
    func tableOfSizes(_ kind: ValueKind) {
        let nibble = Int(ValueKind.sizes >> (4 * UInt64(kind.rawValue)) & 15)
        #expect(nibble == kind.size ?? 15)
    }

    @Test("there are no more kinds than the table of sizes has room for")
    func roomInTable() { #expect(ValueKind.allCases.count <= 16) }

    @Test("an array with an element for each level has one for each level")
    func levels() {
        #expect(PerLevel<Int>.count == Level.allCases.count)
        #expect(Level.allCases.map { Int($0.rawValue) } == Array(0..<PerLevel<Int>.count))
        #expect(Int(Level.off) == Level.allCases.count)
    }

    @Test("a value of a protocol type lies in memory as it is read")
    func existential() {
        #expect(MemoryLayout<ExistentialContainer>.size == MemoryLayout<any LogValue>.size)
        #expect(MemoryLayout<ExistentialContainer>.size == MemoryLayout<any CustomStringConvertible & Sendable>.size)
        let value: any LogValue = 4711
        withUnsafePointer(to: value) { pointer in
            let container = UnsafeRawPointer(pointer).assumingMemoryBound(to: ExistentialContainer.self)
            let isInt = container.pointee.type == Int.self
            #expect(isInt)
            #expect(container.pointee.words.0 == 4711)
        }
    }

    @Test("a record's body begins where an envelope's header ends")
    func envelope() { #expect(EncodedRecord.linkSize == Envelope.headerSize) }

    @Test("the depth of a field has room for the deepest nesting")
    func depth() {
        var mask = KeyMask.none
        mask.depth = RecordLimits.nesting
        #expect(mask.depth == RecordLimits.nesting)
        #expect(RecordLimits.nesting <= 127)
        #expect(RecordLimits.nestingMark == "…[nested deeper than \(RecordLimits.nesting)]")
    }
}

private func == (a: StaticString, b: String) -> Bool { a.description == b }
