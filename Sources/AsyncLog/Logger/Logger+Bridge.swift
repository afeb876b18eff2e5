// The entry for records that come through another logging API: their texts were made at run time, the caller has a
// threshold of its own, and fields may be encoded already. From here on they are treated as all records are.
import EventLoop

extension Logger {
    /// Records below are ignored. The raw value of a `Level`, or a higher number if no record passes.
    package var threshold: UInt8 { core.threshold.load(ordering: .relaxed) }

    /// The texts of a call site that a handler, a filter or the sampler reads. The caller may leave the others out.
    package var callSiteParts: CallSite.Parts {
        // A sampler counts by call site.
        sampler == nil ? CallSite.Parts(rawValue: core.callSiteParts.load(ordering: .relaxed)) : .all
    }

    /// Encodes fields that many records have in common once, behind those to which this logger is bound.
    package func encode(_ fields: (inout FieldWriter) -> Void) -> BoundFields {
        BoundFields(Fields(fields), in: bound, loop: core.tree.pipeline.loop)
    }

    /// Logs for a caller that does not wait. Any thread.
    ///
    /// - Parameters:
    ///   - message: UTF-8, valid during the call.
    ///   - isAboveThreshold: the caller compared the level with a threshold of its own: the logger's level does not
    ///     count.
    ///   - common: replaces the fields to which the logger is bound, and contains them.
    ///   - fields: writes the fields of the call.
    package func submit(
        _ level: Level, _ message: UnsafeBufferPointer<UInt8>, isAboveThreshold: Bool, common: BoundFields?,
        at site: CallSite,
        _ fields: (inout FieldWriter) -> Void
    ) {
        if let sampler, !sampler.mayPass(level, site, core) { return }
        let tree = core.tree
        let (time, bound, scope) = (tree.clock.now, common ?? bound, LogScope.current)
        Record.build(
            Record.Head(
                level: level, isAboveThreshold: isAboveThreshold, time: WallTime(nanoseconds: time), callSite: site,
                bound: bound.map(Unmanaged.passUnretained), scope: scope.map(Unmanaged.passUnretained),
                core: Unmanaged.passUnretained(core)),
            message: { LogMessage(Text(message)) },
            fields: { scratch in
                FieldRegion(scratch) { writer in
                    tree.context?(&writer)
                    fields(&writer)
                }
            }
        ) { record in withExtendedLifetime((bound, scope)) { tree.pipeline.submit(record, sampler: sampler) } }
    }
}
