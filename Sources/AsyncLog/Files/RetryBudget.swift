// How often a log file that another program has moved away is looked for.

/// The attempts to find a new file after another program has moved the file away: they last a quarter of a second.
struct RetryBudget {
    private static let limit = 8
    private var attempts = 0

    mutating func next() -> Duration? {
        guard attempts < Self.limit else { return nil }
        attempts += 1
        return .milliseconds(1 << (attempts - 1))
    }

    mutating func renew() { attempts = 0 }
}
