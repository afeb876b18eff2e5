// The memory of records that other threads log, on its way back to them.
//
// Such a record is allocated on its thread and done with on the loop's. That is what malloc(3) is worst at: each block goes back to the heap of
// the thread that made it, under that heap's lock, which this thread needs for its next record. So blocks of one size go round in batches:
// the loop gathers what it is done with and puts each batch into a slot that is empty; a thread that needs a block empties a slot, with one
// exchange, and has memory for the next records to itself.
import CEventLoop
import Glibc
import Synchronization

/// Unchecked: what is not atomic is the loop's.
final class RecordBlocks: @unchecked Sendable {
    /// What a record takes, nearly always. Larger ones have memory of their own.
    static let size = 512
    /// So few that a thread which falls silent does not keep much: 32 KiB.
    private static let batchSize = 64
    /// Room for about as many as can be in flight at once, since a loop that dozes is done with a thousand in no time.
    private typealias Slots = InlineArray<64, Atomic<UInt>>

    /// In each slot a batch: a block that begins with the address of the next; 0: none.
    private let slots = Slots { _ in Atomic(0) }
    /// Where a full slot is likely to be found.
    private let nextFull = Atomic<Int>(0)
    // Loop thread only.
    @exclusivity(unchecked) private var nextEmpty = 0
    @exclusivity(unchecked) private var spent: UnsafeMutableRawPointer?
    @exclusivity(unchecked) private var spentCount = 0

    deinit {
        for index in slots.indices { RecordBlocks.free(UnsafeMutableRawPointer(bitPattern: slots[index].load(ordering: .acquiring))) }
        RecordBlocks.free(spent)
    }

    private static func free(_ blocks: UnsafeMutableRawPointer?) {
        var next = blocks
        while let block = next {
            next = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    /// A block. Any thread; lock-free.
    func take() -> UnsafeMutableRawPointer {
        let scratch = cel_current_scratch()
        let block = scratch.pointee.blocks ?? takeBatch() ?? RecordBlocks.makeBatch()
        scratch.pointee.blocks = block.load(as: UnsafeMutableRawPointer?.self)
        return block
    }

    /// New memory is dear, page by page: so one record in a batch pays for it, and not every eighth.
    private static func makeBatch() -> UnsafeMutableRawPointer {
        var batch: UnsafeMutableRawPointer?
        for _ in 0..<batchSize {
            guard let block = malloc(size) else { break }
            block.storeBytes(of: batch, as: UnsafeMutableRawPointer?.self)
            batch = block
        }
        guard let batch else { fatalError("no memory for a record") }
        return batch
    }

    private func takeBatch() -> UnsafeMutableRawPointer? {
        let first = nextFull.load(ordering: .relaxed)
        for distance in slots.indices {
            let index = (first + distance) % slots.count
            guard slots[index].load(ordering: .relaxed) != 0 else { continue }
            let batch = slots[index].exchange(0, ordering: .acquiring)
            guard batch != 0 else { continue }
            nextFull.store((index + 1) % slots.count, ordering: .relaxed)
            return UnsafeMutableRawPointer(bitPattern: batch)
        }
        return nil
    }

    /// Gives a block back. Loop thread.
    func put(_ block: UnsafeMutableRawPointer) {
        block.storeBytes(of: spent, as: UnsafeMutableRawPointer?.self)
        spent = block
        spentCount += 1
        if spentCount == RecordBlocks.batchSize { putBatch() }
    }

    private func putBatch() {
        let batch = UInt(bitPattern: spent)
        (spent, spentCount) = (nil, 0)
        // In the order in which threads look. That slot is empty unless all are full.
        let index = nextEmpty
        guard slots[index].load(ordering: .relaxed) == 0 else { return RecordBlocks.free(UnsafeMutableRawPointer(bitPattern: batch)) }
        slots[index].store(batch, ordering: .releasing)
        nextEmpty = (index + 1) % slots.count
    }
}
