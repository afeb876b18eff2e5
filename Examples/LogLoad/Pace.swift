// The number and the time of the next record: all tasks and threads draw from one source.
import Synchronization

final class Pace: Sendable {
    private let next = Atomic<Int>(0)
    private let lines: Int
    /// Nanoseconds from one record to the next; nil: no limit.
    private let interval: Double?
    private let start: Int64

    init(lines: Int, rate: Double?) {
        self.lines = lines
        interval = rate.map { 1e9 / $0 }
        start = Clock.now
    }

    enum Turn {
        /// Log the record with this number now.
        case log(Int)
        /// The next record is not due before this time.
        case wait(until: Int64)
        case done
    }

    func draw() -> Turn {
        if let interval {
            let number = next.load(ordering: .relaxed)
            guard number < lines else { return .done }
            let due = start + Int64(Double(number) * interval)
            if due > Clock.now { return .wait(until: due) }
        }
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return number < lines ? .log(number) : .done
    }
}
