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
        if let gate, !gate.mayPass(level, site, core) { return }
        let tree = core.tree
        let (bound, scope) = (common ?? bound, LogScope.current)
        let head = Record.Head(
            level: level, isAboveThreshold: isAboveThreshold, time: WallTime(nanoseconds: tree.clock.now), callSite: site,
            bound: bound.map(Unmanaged.passUnretained), scope: scope.map(Unmanaged.passUnretained), core: Unmanaged.passUnretained(core))
        withExtendedLifetime((bound, scope)) {
            Record.build(
                head, message: { LogMessage(Text(message)) },
                fields: { scratch in
                    FieldRegion(scratch) { writer in
                        tree.context?(&writer)
                        fields(&writer)
                    }
                }, { tree.pipeline.submit($0, gate: gate) })
        }
    }
}
