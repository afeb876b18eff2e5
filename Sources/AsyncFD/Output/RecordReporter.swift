// What stands above a record buffer: the owner of the records, which reports what becomes of them.

/// The owner of a record buffer. It reports drops and failures where its users see them. Loop thread only.
package protocol RecordReporter: AnyObject {
    /// There is room again after records were dropped. The reporter writes the report into the output itself.
    func reportDrops(_ drops: DropSummary)
    /// The loop ends, and these drops have not been reported.
    func reportAtEnd(_ drops: DropSummary, because error: IOError?)
    /// The descriptor takes nothing. Called once, until `outputRecovered`. With a `Destination`, which reports for
    /// itself, neither is called.
    func outputFailed(_ error: IOError)
    /// The descriptor takes bytes again.
    func outputRecovered()
    /// The loop has ended, and has forgotten the buffer.
    func outputReleased()
}

extension RecordReporter {
    package func outputReleased() {}
}
