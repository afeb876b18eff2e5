// The way in for records that come through another logging API: texts that were made at run time, a threshold of the caller's own, fields that
// were encoded before. What happens to them from here on is what happens to all records.
import EventLoop

extension Logger {
    /// Records below are ignored: the number of a `Level`, or a higher one if nothing is looked at.
    package var threshold: UInt8 { core.threshold.load(ordering: .relaxed) }

    /// Which texts of a call site anybody reads. The others need not be handed over.
    package var callSiteParts: CallSite.Parts {
        // Sieves count by call site.
        gate == nil ? CallSite.Parts(rawValue: core.callSiteParts.load(ordering: .relaxed)) : .all
    }

    /// Fields that many records have in common, encoded once, behind those to which this logger is bound.
    package func encode(_ fields: (inout FieldWriter) -> Void) -> BoundFields {
        BoundFields(Fields(fields), in: bound, loop: core.tree.pipeline.loop)
    }

    /// Logs for a caller who does not wait. Any thread.
    ///
    /// - Parameters:
    ///   - message: UTF-8, valid during the call.
    ///   - isAboveThreshold: the caller has a threshold of its own, and has looked at it: the logger's does not count.
    ///   - common: takes the place of the fields to which the logger is bound, and contains them.
    ///   - fields: writes the fields of the call.
    package func submit(
        _ level: Level, _ message: UnsafeBufferPointer<UInt8>, isAboveThreshold: Bool, common: BoundFields?, at site: CallSite,
        _ fields: (inout FieldWriter) -> Void
    ) {
        if let gate, !gate.mayPass(site, core) { return }
        let scratch = Scratch.current
        let mark = scratch.enter()
        defer { scratch.leave(mark) }
        let time = core.tree.clock.now
        var writer = FieldWriter(scratch)
        core.tree.context?(&writer)
        fields(&writer)
        writer.close()
        let region = FieldRegion(start: writer.start, count: scratch.count - writer.start)
        let (bound, scope) = (common ?? bound, LogScope.current)
        let record = Record(
            level: level, isAboveThreshold: isAboveThreshold, time: WallTime(nanoseconds: time), callSite: site, message: Text(message),
            fields: region.list(scratch), bound: bound.map(Unmanaged.passUnretained), scope: scope.map(Unmanaged.passUnretained),
            core: Unmanaged.passUnretained(core))
        withExtendedLifetime((bound, scope)) { core.tree.pipeline.submit(record, gate: gate) }
    }
}

extension FieldWriter {
    /// Where the next field goes.
    package var position: Int { end }

    /// Puts fields into the order of their keys: those that were written since `begin`, `count` of them.
    package mutating func sort(since begin: Int, count: Int) {
        guard count > 1 else { return }
        scratch.rewind(to: end)
        let size = end - begin
        // First of all, since the scratch may move.
        let copy = scratch.reserve(size)
        let first = UnsafeRawPointer(scratch.pointer(at: begin))
        withUnsafeTemporaryAllocation(of: SortedField.self, capacity: count) { sorted in
            var isSorted = true
            var used = 0
            FieldList(start: first, end: first + size, mask: .none).forEachEncoded { field, bytes in
                let field = SortedField(field.key, bytes)
                var place = used
                while place > 0, field.precedes(sorted[place - 1]) {
                    sorted.initializeElement(at: place, to: sorted[place - 1])
                    place -= 1
                }
                if place < used { isSorted = false }
                sorted.initializeElement(at: place, to: field)
                used += 1
            }
            precondition(used == count, "\(used) fields where \(count) were written")
            guard !isSorted else { return }
            var end = copy
            for field in sorted {
                end.update(from: field.encoded.assumingMemoryBound(to: UInt8.self), count: field.size)
                end += field.size
            }
            scratch.pointer(at: begin).update(from: copy, count: size)
        }
    }
}

/// A field that is being sorted.
private struct SortedField: BitwiseCopyable {
    /// The key's first eight bytes, so that most comparisons are one of numbers.
    private let prefix: UInt64
    private let key: UnsafeBufferPointer<UInt8>
    let encoded: UnsafeRawPointer
    let size: Int

    init(_ key: Text, _ bytes: UnsafeRawBufferPointer) {
        self.key = key.bytes
        encoded = bytes.baseAddress!
        size = bytes.count
        var prefix: UInt64 = 0
        for index in 0..<8 { prefix = prefix << 8 | (index < key.bytes.count ? UInt64(key.bytes[index]) : 0) }
        self.prefix = prefix
    }

    @inline(__always)
    func precedes(_ other: SortedField) -> Bool {
        prefix != other.prefix ? prefix < other.prefix : key.lexicographicallyPrecedes(other.key)
    }
}
