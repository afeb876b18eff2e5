// The memory of records that other threads log, on its way back to them.
//
// Such a record is allocated on its thread and done with on the loop's. That is what malloc(3) is worst at: each block goes back to the heap of
// the thread that made it, under that heap's lock, which this thread needs for its next record. So blocks of one size go round: the loop gathers
// those that it is done with and puts them out as one batch, in one word; a thread that needs a block takes the whole batch with one
// exchange, and has the next hundred records' memory to itself.
import CEventLoop
import Glibc
import Synchronization

/// Unchecked: `spent` is the loop's; `batch` is only filled by the loop, and only emptied by others.
final class RecordBlocks: @unchecked Sendable {
    /// What a record takes, nearly always. Larger ones have memory of their own.
    static let size = 512
    private static let batchLimit = 128

    /// Blocks, each of which begins with the address of the next; 0: none.
    private let batch = Atomic<UInt>(0)
    // Loop thread only.
    @exclusivity(unchecked) private var spent: UnsafeMutableRawPointer?
    @exclusivity(unchecked) private var spentCount = 0

    deinit {
        RecordBlocks.free(UnsafeMutableRawPointer(bitPattern: batch.load(ordering: .acquiring)))
        RecordBlocks.free(spent)
    }

    private static func free(_ blocks: UnsafeMutableRawPointer?) {
        var next = blocks
        while let block = next {
            next = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    private static func make() -> UnsafeMutableRawPointer {
        guard let block = malloc(size) else { fatalError("no memory for a record") }
        return block
    }

    /// A block. Any thread; lock-free.
    func take() -> UnsafeMutableRawPointer {
        let scratch = cel_current_scratch()
        if scratch.pointee.blocks == nil {
            scratch.pointee.blocks = UnsafeMutableRawPointer(
                bitPattern: batch.load(ordering: .relaxed) == 0 ? 0 : batch.exchange(0, ordering: .acquiring))
        }
        guard let block = scratch.pointee.blocks else { return RecordBlocks.make() }
        scratch.pointee.blocks = block.load(as: UnsafeMutableRawPointer?.self)
        return block
    }

    /// Gives a block back. Loop thread.
    func put(_ block: UnsafeMutableRawPointer) {
        guard spentCount < RecordBlocks.batchLimit else { return block.deallocate() }
        block.storeBytes(of: spent, as: UnsafeMutableRawPointer?.self)
        spent = block
        spentCount += 1
        guard spentCount >= RecordBlocks.batchLimit / 4, batch.load(ordering: .relaxed) == 0 else { return }
        batch.store(UInt(bitPattern: spent), ordering: .releasing)
        (spent, spentCount) = (nil, 0)
    }
}
