// `--crash HOW@LINE`: an end of the program in the middle of the load.
import ArgumentParser
import Glibc

/// How the program ends, and after how many records.
struct CrashPoint: CustomStringConvertible {
    enum How: String, CaseIterable {
        /// A failed precondition.
        case trap
        /// A bad pointer.
        case segv
        case abort
        /// No crash: `exit(0)`, from within a task.
        case exit
        /// SIGKILL, which no program can catch.
        case kill
        /// A bad pointer on a thread of its own, while all other threads go on.
        case thread
    }

    let how: How
    let line: Int

    static let list = How.allCases.map(\.rawValue).joined(separator: ", ")

    var description: String { "\(how)@\(line)" }

    static func parse(_ text: String) throws -> CrashPoint {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let line = Int(parts[1]), line >= 0 else {
            throw ValidationError("\"\(text)\" is not HOW@LINE: segv@5000 crashes when 5000 records are logged")
        }
        guard let how = How(rawValue: String(parts[0])) else {
            throw ValidationError("\"\(parts[0])\" is no way to crash: \(list)")
        }
        return CrashPoint(how: how, line: line)
    }

    /// Returns at most for a moment.
    func happen() {
        switch how {
        case .trap: fatalError("on purpose")
        case .segv: UnsafeMutablePointer<Int>(bitPattern: 8)!.pointee = 1
        case .abort: Glibc.abort()
        case .exit: Glibc.exit(0)
        case .kill: Glibc.kill(getpid(), SIGKILL)
        case .thread:
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { _ in
                    UnsafeMutablePointer<Int>(bitPattern: 8)!.pointee = 1
                    return nil
                }, nil)
        }
    }
}
