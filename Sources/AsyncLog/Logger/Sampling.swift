// Sampling: every n-th record, the first one only, a share, so many per second, no repetitions. Counted for each call
// site.
//
// Suppressed records are never silent: the next record from that call site that goes on has a field `suppressed` with
// their number. If no such record comes for a while (after a limit or a repetition), or the logger shuts down or is
// freed, the library logs a report of its own. Sampler.swift does the counting.
import EventLoop

extension Logger {
    /// Of the records of each call site only the first, the (n+1)th, the (2n+1)th, … go on.
    ///
    ///     logger.every(100).debug("packet \(number)")
    ///
    /// Keep the logger that this returns: the counters belong to it.
    ///
    /// - Precondition: `n` is at least 1.
    public func every(_ n: Int) -> Logger {
        precondition(n > 0, "every: n must be at least 1, not \(n)")
        return with(Sampler(.every(n)))
    }

    /// Of the records of each call site only the first goes on. Keep the logger that this returns.
    public var once: Logger { with(Sampler(.every(.max))) }

    /// Each record goes on with this probability. Keep the logger that this returns.
    public func sampled(_ probability: Double) -> Logger {
        precondition((0...1).contains(probability), "sampled: the probability must be from 0 to 1, not \(probability)")
        return with(Sampler(.sampled(probability)))
    }

    /// Of the records of each call site at most `count` go on in each span of this length. Keep the logger that this
    /// returns.
    public func limited(to count: Int, per span: Duration) -> Logger {
        precondition(count > 0 && span > .zero, "limited: count and span must be positive, not \(count) and \(span)")
        return with(Sampler(.limited(count, span.wholeNanoseconds)))
    }

    /// A record with the same content as the last one from its call site, within this time, does not go on: the same
    /// level, the same message, and the same fields, those of `with` and of `withLogContext` included. Keep the logger
    /// that this returns.
    public func deduplicated(within span: Duration) -> Logger {
        precondition(span > .zero, "deduplicated: the span must be positive, not \(span)")
        return with(Sampler(.deduplicated(span.wholeNanoseconds)))
    }

    private func with(_ sampler: Sampler) -> Logger {
        var logger = self
        logger.sampler = sampler
        return logger
    }
}
