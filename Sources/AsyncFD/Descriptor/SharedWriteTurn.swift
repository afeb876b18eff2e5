// How event loops, each with a thread of its own, take turns to write to one place.
//
// Taking and releasing a turn without contention costs one atomic operation each. Loops that have to wait use the lock.
import CEventLoop
import DequeModule
import EventLoop
import Glibc
import Synchronization

/// The turn to write to one pipe, file, terminal or socket, in the whole process. Any thread.
final class SharedWriteTurn: Sendable {
    /// What a descriptor leads to, whatever its number and however it was opened.
    struct Destination: Hashable {
        private let device: dev_t
        /// 0 for a device, which may have any number of names.
        private let inode: ino_t

        init(_ status: stat) {
            let isDevice = status.st_mode & S_IFMT == S_IFCHR || status.st_mode & S_IFMT == S_IFBLK
            device = isDevice ? status.st_rdev : status.st_dev
            inode = isDevice ? 0 : status.st_ino
        }
    }

    private let destination: Destination
    /// Twice the number of the loop's part that has the turn, and 1 more if another loop waits for it. 0: it is free.
    private let state = Atomic<UInt>(0)
    private let parts = Locked(Parts())

    private struct Parts {
        /// By loop. Only the part of the asking loop is read: another part may be in its deinit, which must not run
        /// under the lock.
        var turns: [ObjectIdentifier: WeakPart] = [:]
        /// By number.
        var loops: [UInt: EventLoop] = [:]
        var waiting: Deque<WriteTurn> = []
    }

    private struct WeakPart {
        let number: UInt
        weak var turn: WriteTurn?
    }

    private init(_ destination: Destination) { self.destination = destination }

    // MARK: The table

    private struct Table {
        var turns: [Destination: WeakTurn] = [:]
        var lastNumber: UInt = 0
        /// A forked child has none of its parent's loops: the turns that they had are free there.
        var forkGeneration = cel_watch_forks()
    }

    private struct WeakTurn { weak var turn: SharedWriteTurn? }

    private static let table = Locked(Table())

    /// The part that `loop` has of the turn to write to what `descriptor` leads to. If that is nothing, one that is not
    /// shared.
    static func part(of loop: EventLoop, _ descriptor: CInt) -> WriteTurn {
        guard case .success(let status) = Syscalls.status(descriptor) else { return unshared(loop) }
        let destination = Destination(status)
        return table.withLock { table in
            if table.forkGeneration != cel_fork_generation() { table = Table() }
            let shared = table.turns[destination]?.turn ?? SharedWriteTurn(destination)
            table.turns[destination] = WeakTurn(turn: shared)
            table.lastNumber += 1
            return shared.part(of: loop, number: table.lastNumber)
        }
    }

    /// A turn for a descriptor to which no other object leads.
    static func unshared(_ loop: EventLoop) -> WriteTurn { WriteTurn(on: loop, nil, number: 1) }

    private func part(of loop: EventLoop, number: UInt) -> WriteTurn {
        parts.withLock { parts in
            if let turn = parts.turns[ObjectIdentifier(loop)]?.turn { return turn }
            let turn = WriteTurn(on: loop, self, number: number)
            parts.turns[ObjectIdentifier(loop)] = WeakPart(number: number, turn: turn)
            parts.loops[number] = loop
            return turn
        }
    }

    /// The part of `loop` with this number is being deallocated.
    func forget(_ number: UInt, of loop: EventLoop) {
        parts.withLock { parts in
            parts.loops[number] = nil
            if parts.turns[ObjectIdentifier(loop)]?.number == number { parts.turns[ObjectIdentifier(loop)] = nil }
        }
    }

    deinit {
        SharedWriteTurn.table.withLock { table in
            // The entry may belong to a newer turn by now.
            if table.turns[destination]?.turn == nil { table.turns[destination] = nil }
        }
    }

    // MARK: Taking turns

    /// Whether another loop waits for the turn.
    var isAwaited: Bool { state.load(ordering: .relaxed) & 1 == 1 }

    /// Takes the turn if it is free.
    func take(_ number: UInt) -> Bool {
        state.compareExchange(expected: 0, desired: number * 2, ordering: .acquiring).exchanged
    }

    /// Gives the turn to the loop that has waited longest. Nothing happens if another loop has taken it from this one.
    func release(_ number: UInt) {
        if state.compareExchange(expected: number * 2, desired: 0, ordering: .releasing).exchanged { return }
        let next = parts.withLock { parts -> WriteTurn? in
            guard state.load(ordering: .relaxed) == number * 2 + 1 else { return nil }
            // A loop that has ended is skipped. It waits again if it runs again.
            guard let index = parts.waiting.firstIndex(where: { $0.loop.hasOwner }) else {
                state.store(0, ordering: .releasing)
                return nil
            }
            let next = parts.waiting.remove(at: index)
            state.store(next.number * 2 + (parts.waiting.isEmpty ? 0 : 1), ordering: .releasing)
            return next
        }
        if let next { next.loop.perform { next.granted() } }
    }

    /// Waits in line. True: the turn was free after all, and is the caller's.
    func wait(_ turn: WriteTurn) -> Bool {
        parts.withLock { parts in
            if takeLocked(turn.number, &parts) { return true }
            parts.waiting.append(turn)
            return false
        }
    }

    /// Takes the turn for a loop that waits, if it is free or a loop that has ended has it.
    func takeFromEndedLoop(_ number: UInt) -> Bool {
        parts.withLock { parts in
            // it is being granted
            guard let index = parts.waiting.firstIndex(where: { $0.number == number }) else { return false }
            guard takeLocked(number, &parts) else { return false }
            parts.waiting.remove(at: index)
            if parts.waiting.isEmpty { state.store(number * 2, ordering: .relaxed) }
            return true
        }
    }

    /// Under the lock. If it cannot be taken, the holder will find that another loop waits.
    private func takeLocked(_ number: UInt, _ parts: inout Parts) -> Bool {
        let isAwaited: UInt = parts.waiting.isEmpty ? 0 : 1
        while true {
            let seen = state.load(ordering: .acquiring)
            let isFree = seen == 0 || parts.loops[seen / 2]?.hasOwner != true
            let wanted = isFree ? number * 2 + isAwaited : seen | 1
            if state.compareExchange(expected: seen, desired: wanted, ordering: .acquiringAndReleasing).exchanged {
                return isFree
            }
        }
    }
}
