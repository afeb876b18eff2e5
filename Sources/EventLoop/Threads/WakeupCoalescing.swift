// When an idle loop looks into its inbox by itself instead of being woken.
//
// Threads that log make work for the loop every few hundred nanoseconds, and the loop finishes it in less. If the loop
// fell asleep each time, a thread would have to wake it each time: a system call of some microseconds, for a record
// that can wait. So while records keep coming, the loop sleeps for a quarter of a millisecond at most and then looks by
// itself. Each look finds many records. After an interval in which none came, the loop sleeps without a limit, and the
// next record wakes it: an idle loop uses no processor time, and a record that comes alone is written at once.

/// Decides how long an idle loop may coalesce wake-ups. Pure.
struct WakeupCoalescing {
    /// How long an envelope that wakes lazily may have to wait.
    static let length = Duration.microseconds(250)

    /// When an envelope that wakes lazily last came.
    private var lastArrival: Instant?
    private var end: Instant?

    /// Called when the loop has nothing to do. Returns when the loop looks by itself; nil: it sleeps until it is woken.
    ///
    /// - Parameters:
    ///   - hasArrived: an envelope that wakes lazily has come since the last call.
    ///   - now: evaluated only if one has come, now or lately.
    mutating func until(hasArrived: Bool, now: @autoclosure () -> Instant) -> Instant? {
        if hasArrived {
            let now = now()
            // Twice the length, since the last envelope may have waited for one length.
            if let lastArrival, now - lastArrival < WakeupCoalescing.length * 2 { end = now + WakeupCoalescing.length }
            lastArrival = now
        } else if let end, end <= now() {
            self.end = nil
        }
        return end
    }
}
