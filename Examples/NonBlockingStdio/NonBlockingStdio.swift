// Prints to standard error and standard output without blocking, and shows that other programs see no difference.
//
//     swift run NonBlockingStdio
import AsyncFD
import EventLoop
import SystemPackage
@preconcurrency import Glibc

@main
struct NonBlockingStdio {
    static func main() throws {
        try EventLoop.run {
            let before = fileStatusFlags
            await print("Hello stderr !", to: .standardError)
            await print("Hello stdout !")

            for stream in [AsyncFD.standardOutput, .standardError] {
                await print("\(stream.label): isBlocking: \(await stream.isBlocking)")
            }
            let after = fileStatusFlags
            for (number, flags) in before {
                await print("descriptor \(number): fcntl says \(flags) before, \(after[number]!) after")
            }
            try await AsyncFD.standardOutput.flushPrints()
        }
    }

    /// The flags that every other program with the same descriptors sees.
    static var fileStatusFlags: KeyValuePairs<Int32, String> {
        func name(_ descriptor: Int32) -> String {
            let flags = fcntl(descriptor, F_GETFL)
            if flags < 0 { return "closed" }
            return flags & O_NONBLOCK == 0 ? "blocking" : "non-blocking"
        }
        return [1: name(1), 2: name(2)]
    }
}

extension KeyValuePairs where Key: Equatable {
    subscript(key: Key) -> Value? { first { $0.key == key }?.value }
}
