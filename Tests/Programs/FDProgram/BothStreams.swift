// Standard output and standard error, which may lead to the same pipe.
import AsyncFD

extension FDProgram {
    /// Prints so many records to each of the two, more than fit into one write.
    static func printToBothStreams(_ count: Int) async {
        for number in 0..<count {
            await print(record("err", number), to: .standardError)
            await print(record("out", number))
        }
    }

    /// As in SharedWriteTurnTests.
    private static func record(_ writer: String, _ number: Int) -> String {
        "\(writer) \(number) " + String(repeating: writer, count: number * 37 % 700) + " end of \(writer) \(number)"
    }
}
