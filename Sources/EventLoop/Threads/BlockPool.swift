// The memory of envelopes from other threads, on its way back to those threads.
//
// Other threads allocate it and the loop's thread frees it. malloc(3) is worst at that: each block goes back to the
// heap of the thread that made it, under that heap's lock, which this thread needs for its next one. So blocks of one
// size go round in batches: the loop gathers used blocks and puts each batch into an empty slot; a thread that needs a
// block empties a slot, with one exchange, and then has blocks of its own for the next envelopes.
import CEventLoop
import Glibc
import Synchronization

/// Unchecked: what is not atomic is the loop's.
package final class BlockPool: @unchecked Sendable {
    /// What the blocks are for. A thread keeps the blocks of each kind apart. The layers above define kinds of their
    /// own.
    package struct Kind: Sendable {
        fileprivate let index: CInt
        /// In bytes.
        package let blockSize: Int

        /// - Parameter index: Tells the kinds of a process apart; below `cel_block_kinds`.
        package init(index: CInt, blockSize: Int) {
            precondition(
                index >= 0 && index < CInt(cel_block_kinds), "index must be below cel_block_kinds (ThreadBlocks.h)")
            precondition(blockSize >= MemoryLayout<UInt>.size, "blockSize: a block must hold an address")
            self.index = index
            self.blockSize = blockSize
        }

        /// Envelopes of jobs and calls.
        static let envelopes = Kind(index: 0, blockSize: 48)
    }

    /// So few that an idle thread does not keep much: 3 KiB of envelopes, 32 KiB of log records.
    private static let batchSize = 64
    /// Room for about as many as can be under way at once, since a loop that coalesces wake-ups is done with a thousand
    /// in no time.
    private typealias Slots = InlineArray<128, Atomic<UInt>>

    private let kind: Kind
    package var blockSize: Int { kind.blockSize }
    /// In each slot a batch: a block that begins with the address of the next; 0: none.
    private let slots = Slots { _ in Atomic(0) }
    /// Where a full slot is likely to be found.
    private let nextFull = Atomic<Int>(0)
    // Loop thread only.
    @exclusivity(unchecked) private var nextEmpty = 0
    @exclusivity(unchecked) private var spent: UnsafeMutableRawPointer?
    @exclusivity(unchecked) private var spentCount = 0

    package init(_ kind: Kind) { self.kind = kind }

    deinit {
        for index in slots.indices {
            BlockPool.free(UnsafeMutableRawPointer(bitPattern: slots[index].load(ordering: .acquiring)))
        }
        BlockPool.free(spent)
    }

    private static func free(_ blocks: UnsafeMutableRawPointer?) {
        var next = blocks
        while let block = next {
            next = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    /// A block, aligned for any of the basic types. Any thread; lock-free.
    package func take() -> UnsafeMutableRawPointer {
        let own = cel_thread_blocks(kind.index)
        let block = own.pointee ?? takeBatch() ?? makeBatch()
        own.pointee = block.load(as: UnsafeMutableRawPointer?.self)
        return block
    }

    /// New pages are expensive: one allocation in a batch pays for them, and not every eighth.
    private func makeBatch() -> UnsafeMutableRawPointer {
        var batch: UnsafeMutableRawPointer?
        for _ in 0..<BlockPool.batchSize {
            guard let block = malloc(kind.blockSize) else { break }
            block.storeBytes(of: batch, as: UnsafeMutableRawPointer?.self)
            batch = block
        }
        guard let batch else { fatalError("no memory for an envelope to an event loop") }
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
    package func put(_ block: UnsafeMutableRawPointer) {
        block.storeBytes(of: spent, as: UnsafeMutableRawPointer?.self)
        spent = block
        spentCount += 1
        if spentCount == BlockPool.batchSize { putBatch() }
    }

    private func putBatch() {
        let batch = UInt(bitPattern: spent)
        (spent, spentCount) = (nil, 0)
        // In the order in which threads look. That slot is empty unless all are full.
        let index = nextEmpty
        guard slots[index].load(ordering: .relaxed) == 0 else {
            return BlockPool.free(UnsafeMutableRawPointer(bitPattern: batch))
        }
        slots[index].store(batch, ordering: .releasing)
        nextEmpty = (index + 1) % slots.count
    }
}
