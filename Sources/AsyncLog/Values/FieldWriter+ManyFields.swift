// Objects with many fields: fields beyond the limit are left out, and repeated keys are found all at once, when the
// object ends.

extension FieldWriter {
    /// Removes the fields beyond the limit, and finds out whether a key occurs twice. `end` is the end of the scratch.
    mutating func examine() {
        var leftOut = takeOutMarks()
        let begin = start + Encoding.maskSize
        let all = fields(from: begin, to: end)
        var iterator = all.makeIterator()
        var kept = 0
        while kept < RecordLimits.fields, iterator.next() != nil { kept += 1 }
        let keptEnd = begin + (iterator.cursor! - all.start!)
        while iterator.next() != nil { leftOut += 1 }
        end = keptEnd
        let index = KeyIndex(fields(from: begin, to: end))
        mask.hasRepeated = index.hasRepeatedKeys || (leftOut > 0 && index.contains(Text(RecordLimits.leftOutKey)))
        scratch.rewind(to: end)
        guard leftOut > 0 else { return }
        let key = FieldKey(stringLiteral: RecordLimits.leftOutKey)
        append(key.header, key.literal, .int, UInt64(leftOut))
    }

    /// Removes the marks in which parts of this object state how many fields they left out; returns the sum.
    private mutating func takeOutMarks() -> Int {
        var leftOut = 0
        var (from, to) = (start + Encoding.maskSize, start + Encoding.maskSize)
        while from < end {
            var iterator = fields(from: from, to: end).makeIterator()
            let begin = iterator.cursor!
            guard let field = iterator.next() else { break }
            let size = iterator.cursor! - begin
            if field.header.isStatic, field.key == RecordLimits.leftOutKey, case .int(let count) = field.value {
                leftOut += Int(count)
            } else {
                if from != to { scratch.move(from: from, count: size, to: to) }
                to += size
            }
            from += size
        }
        end = to
        return leftOut
    }
}
