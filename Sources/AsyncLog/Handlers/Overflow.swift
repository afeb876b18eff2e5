// What happens to a record that finds no room in its handler's buffer.

/// What a handler does when its buffer is full. Before it does any of it, it writes what the descriptor takes right
/// now.
///
/// Records of level error and above find room longer than others: a part of the buffer is kept for them, and they do
/// not stand in line behind others that wait.
public struct Overflow: Sendable {
    enum Rule {
        case suspend
        case dropNewest
        case dropOldest
        case shed(below: Level)
    }
    let rule: Rule
    /// How long a thread without an event loop may block.
    let blockLimit: Duration?

    /// A task that logs with `await` is suspended until there is room; the records of other callers are dropped.
    public static let suspend = Overflow(rule: .suspend, blockLimit: nil)

    /// The record is dropped, and no caller waits.
    public static let dropNewest = Overflow(rule: .dropNewest, blockLimit: nil)

    /// The oldest records are dropped, unless they are being written already, and no caller waits. At most half of what
    /// the buffer may hold is written at once, so that there is something to take back (unless a single record fills
    /// the buffer: then the new one is dropped).
    public static let dropOldest = Overflow(rule: .dropOldest, blockLimit: nil)

    /// Records below this level are dropped; for the others it is as with `suspend`.
    public static func shed(below level: Level) -> Overflow { Overflow(rule: .shed(below: level), blockLimit: nil) }

    /// As with `suspend`; and a thread of its own, without an event loop, that logs without `await` blocks until there
    /// is room, but not for longer than this.
    public static func block(upTo limit: Duration) -> Overflow { Overflow(rule: .suspend, blockLimit: limit) }
}
