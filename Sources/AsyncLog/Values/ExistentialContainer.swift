// The memory layout of a value of a protocol type: code that reads the value in place saves a copy by the runtime.

/// The memory of a value of a protocol type with one witness table, such as `any LogValue` ("Existential Containers" in
/// the ABI's TypeLayout).
package struct ExistentialContainer {
    /// Three words for the value. Larger values are in a box, to which the first word points.
    package let words: (Int, Int, Int)
    package let type: Any.Type
    private let witnesses: UInt
}
