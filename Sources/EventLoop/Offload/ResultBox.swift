// What a call on another thread has come to, on its way back to the loop.

/// Holds the result of one offloaded call.
///
/// Unchecked: a thread of a pool writes `value` once, before it reports through the loop's inbox; the loop's thread
/// reads it after that report.
package final class ResultBox<Value>: @unchecked Sendable {
    package var value: Value?

    package init() {}
}
