// The readiness machine against every sequence of operations up to a length, and the promises that it makes.
import Testing

@testable import EventLoop

@Suite("Readiness")
struct ReadinessTests {
    /// What can happen to one direction of a descriptor. `edgesAgo` says how old the edge is on which an attempt was
    /// made.
    private enum Operation: CaseIterable {
        case signal, hangUp, wouldBlockNow, wouldBlockLate, shortNow, park, cancelNewest, cancelOldest, close
    }

    /// What must be true, kept in the plainest form: the machine is held against it after each step.
    private struct Model {
        var edges: UInt32 = 0
        var isReady = true
        var hungUp = false
        var waiter: Readiness.WaiterID?
        var isClosed = false
        var lastID: Readiness.WaiterID = 0
        var resumed: Set<Readiness.WaiterID> = []

        mutating func resume(_ id: Readiness.WaiterID?) {
            guard let id else { return }
            #expect(resumed.insert(id).inserted, "waiter \(id) was resumed twice")
        }
    }

    @Test("no sequence of operations loses an edge, resumes a waiter twice, or forgets one")
    func everySequence() {
        var count = 0
        walk(Readiness(), Model(), depth: 6, count: &count)
        #expect(count > 500_000)
    }

    private func walk(_ machine: Readiness, _ model: Model, depth: Int, count: inout Int) {
        count += 1
        guard depth > 0 else { return }
        for operation in Operation.allCases {
            var (machine, model) = (machine, model)
            apply(operation, &machine, &model)
            walk(machine, model, depth: depth - 1, count: &count)
        }
    }

    private func apply(_ operation: Operation, _ machine: inout Readiness, _ model: inout Model) {
        switch operation {
        case .signal, .hangUp:
            let id = machine.signal(isFinal: operation == .hangUp)
            if model.isClosed {
                if id != nil { Issue.record("a closed descriptor resumed a waiter") }
            } else {
                if id != model.waiter {
                    Issue.record(
                        "an edge resumed \(String(describing: id)), but \(String(describing: model.waiter)) waits")
                }
                model.resume(id)
                model.waiter = nil
                model.isReady = true
                model.edges &+= 1
                model.hungUp = operation == .hangUp
            }
        case .wouldBlockNow, .shortNow:
            // An attempt is made only where the machine says so, on the edge that it hands out.
            guard case .go(let edge) = machine.attempt else { break }
            machine.clear(edge, by: operation == .shortNow ? .shortCount : .wouldBlock)
            if operation == .wouldBlockNow || !model.hungUp { model.isReady = false }
        case .wouldBlockLate:
            // The attempt began one edge ago: what it found says nothing about now.
            guard model.edges > 0 else { break }
            machine.clear(model.edges - 1, by: .wouldBlock)
        case .park:
            model.lastID += 1
            let parking = machine.park(model.lastID)
            let expected: Readiness.Parking =
                model.isClosed ? .closed : model.waiter != nil ? .busy : model.isReady ? .ready : .parked
            if parking != expected { Issue.record("park said \(parking), expected \(expected)") }
            if parking == .parked { model.waiter = model.lastID }
        case .cancelNewest, .cancelOldest:
            let id = operation == .cancelNewest ? model.lastID : 1
            let wasWaiting = machine.cancel(id)
            if wasWaiting != (model.waiter == id) { Issue.record("cancel(\(id)) said \(wasWaiting)") }
            if wasWaiting {
                model.resume(id)
                model.waiter = nil
            }
        case .close:
            let id = machine.close()
            if id != model.waiter { Issue.record("close resumed \(String(describing: id))") }
            model.resume(id)
            model.waiter = nil
            model.isClosed = true
        }
        let attempt = machine.attempt
        let expected: Readiness.Attempt =
            model.isClosed ? .closed : model.isReady && model.waiter == nil ? .go(model.edges) : .wait
        if attempt != expected { Issue.record("after \(operation): \(attempt), expected \(expected)") }
    }

    @Test("an edge that arrives between would-block and clear is not lost")
    func clearingAnOldEdgeKeepsTheNewOne() {
        var readiness = Readiness()
        _ = readiness.signal()
        readiness.clear(0, by: .wouldBlock)
        #expect(readiness.attempt == .go(1))
    }

    @Test("the end of the stream is read even when a short count came just before it")
    func shortCountAfterHangUpClearsNothing() {
        var readiness = Readiness()
        _ = readiness.signal(isFinal: true)
        readiness.clear(1, by: .shortCount)
        #expect(readiness.attempt == .go(1))
    }

    @Test("a socket that keeps reporting an error does not spin: would-block clears even after a hang-up")
    func wouldBlockAfterHangUpClears() {
        var readiness = Readiness()
        _ = readiness.signal(isFinal: true)
        readiness.clear(1, by: .wouldBlock)
        #expect(readiness.attempt == .wait)
    }

    @Test("a late cancellation does not hit the wait that came after it")
    func staleCancellation() {
        var readiness = Readiness()
        readiness.clear(0, by: .wouldBlock)
        let parking = [readiness.park(1)]
        let first = readiness.signal()
        readiness.clear(1, by: .wouldBlock)
        let again = readiness.park(2)
        let wasWaiting = readiness.cancel(1)
        let second = readiness.signal()
        #expect(parking == [.parked] && again == .parked)
        #expect(!wasWaiting)
        #expect(first == 1 && second == 2)
    }
}
