// Fewer records of the same kind: every n-th, once, a share, so many a second, no repetitions. Counted for each place in the source.
//
// What is suppressed is never silent: the next record from that place that goes on has a field `suppressed` with the count, and where no
// next record comes for a while (a limit, a repetition), or the logger shuts down or goes, a record of its own says it. How it is counted: Gate.swift.
import EventLoop

extension Logger {
    /// Of the records of each call site only the first, the (n+1)th, the (2n+1)th, … go on.
    ///
    ///     logger.every(100).debug("packet \(number)")
    ///
    /// Keep the logger that this returns: the counters are its own.
    public func every(_ n: Int) -> Logger {
        precondition(n > 0, "every \(n)th record: n is at least 1")
        return with(Gate(.every(n)))
    }

    /// Of the records of each call site only the first goes on. Keep the logger that this returns.
    public var once: Logger { with(Gate(.every(.max))) }

    /// Each record goes on with this probability. Keep the logger that this returns.
    public func sampled(_ probability: Double) -> Logger {
        precondition((0...1).contains(probability), "a probability of \(probability): it is from 0 to 1")
        return with(Gate(.sampled(probability)))
    }

    /// Of the records of each call site at most `count` go on in each span of this length. Keep the logger that this returns.
    public func limited(to count: Int, per span: Duration) -> Logger {
        precondition(count > 0 && span > .zero, "at most \(count) records per \(span): both are positive")
        return with(Gate(.limited(count, span.wholeNanoseconds)))
    }

    /// A record that says the same as the last one from its call site, within this time, does not go on: the same level, the same message, and the same
    /// fields, those of `with` and of `withLogContext` included. Keep the logger that this returns.
    public func deduplicated(within span: Duration) -> Logger {
        precondition(span > .zero, "no repetitions within \(span): it is positive")
        return with(Gate(.deduplicated(span.wholeNanoseconds)))
    }

    private func with(_ gate: Gate) -> Logger {
        var logger = self
        logger.gate = gate
        return logger
    }
}
