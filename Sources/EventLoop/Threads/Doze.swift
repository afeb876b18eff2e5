// When a loop that has nothing to do dozes instead of sleeping.
//
// Threads that log make work for the loop every few hundred nanoseconds, and the loop is done with it in less. If it fell asleep each time, a thread
// would have to wake it each time: a system call of some microseconds, for a record that could well wait. So while records keep
// coming the loop sleeps for a quarter of a millisecond at most and looks by itself; and each look finds a good many of them. When none has come for that
// long it sleeps, and the next record wakes it: an idle loop takes no time at all, and a record that comes alone is written at once.

/// Pure: says until when to doze.
struct Doze {
    /// How long what is patient may have to wait.
    static let length = Duration.microseconds(250)

    /// When something patient last came.
    private var lastArrival: Instant?
    private var end: Instant?

    /// Called when the loop has nothing to do. Nil: it may sleep.
    ///
    /// - Parameters:
    ///   - hasArrived: something patient has come since the last time.
    ///   - now: is asked only if something has come, now or lately.
    mutating func until(hasArrived: Bool, now: @autoclosure () -> Instant) -> Instant? {
        if hasArrived {
            let now = now()
            // Twice, since the last one may have had to wait for as long as a doze is.
            if let lastArrival, now - lastArrival < Doze.length * 2 { end = now + Doze.length }
            lastArrival = now
        } else if let end, end <= now() {
            self.end = nil
        }
        return end
    }
}
