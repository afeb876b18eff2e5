// Which callers wait for which name: one question at a time for each name, on threads that do nothing else.
//
// getaddrinfo(3) cannot be interrupted, and a name server that does not answer holds it up for half a minute, or for
// ever. So a caller that gives up leaves the question behind, and the next one for the same name joins it instead of
// asking again: what hangs is at most one thread for each name, and never more than `EventLoop.nameThreads`. Names
// beyond wait in line; a name for which no caller waits any more leaves the line.
import Glibc

/// Loop thread only.
final class NameLookups {
    typealias Answer = Result<[ResolvedAddress], ResolveError>

    private struct Name: Hashable {
        let host: String
        let service: String
    }

    /// A question, and the callers that wait for its answer.
    private final class Question {
        var work: OffloadedWork?
        var waiting: [UInt64: (Answer) -> Void] = [:]
    }

    private let pool: OffloadPool
    private var questions: [Name: Question] = [:]
    private var lastWait: UInt64 = 0

    init(_ loop: EventLoop) { pool = OffloadPool(loop: loop) { EventLoop.nameThreads } }

    /// Calls `done` when there is an answer, not from within this call. Returns a closure that cancels the wait: after
    /// it, `done` is not called any more.
    func find(_ host: String, _ service: String, then done: @escaping (Answer) -> Void) -> () -> Void {
        let name = Name(host: host, service: service)
        let question = questions[name] ?? ask(name)
        lastWait += 1
        question.waiting[lastWait] = done
        return { [self, lastWait] in giveUp(name, question, lastWait) }
    }

    private func ask(_ name: Name) -> Question {
        let question = Question()
        let answer = ResultBox<Answer>()
        let work = OffloadedWork {
            answer.value = Result { () throws(ResolveError) in
                try EventLoop.addresses(of: name.host, service: name.service)
            }
        } on: { [self] in
            answered(name, question, answer.value!)
        }
        question.work = work
        questions[name] = question
        if !pool.submit(work) {
            // With not one thread to be had the loop does not ask itself: it would stand still for as long as the name
            // server does.
            pool.loop.soon { [self] in
                answered(
                    name, question, .failure(ResolveError(host: name.host, service: name.service, code: EAI_MEMORY)))
            }
        }
        return question
    }

    private func answered(_ name: Name, _ question: Question, _ answer: Answer) {
        if questions[name] === question { questions[name] = nil }
        let waiting = question.waiting
        question.waiting = [:]
        for (_, done) in waiting.sorted(by: { $0.key < $1.key }) { done(answer) }
    }

    private func giveUp(_ name: Name, _ question: Question, _ wait: UInt64) {
        question.waiting[wait] = nil
        // A question that a thread has begun goes on.
        guard question.waiting.isEmpty, question.work?.giveUp() == true else { return }
        questions[name] = nil
    }
}
