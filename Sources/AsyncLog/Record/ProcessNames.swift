// The process that records come from: the names of machine and program, and the process's number.
import Glibc

enum ProcessNames {
    /// The name of this machine: gethostname(2). Empty if the kernel refuses.
    static var host: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { memory in
            guard gethostname(memory.baseAddress!, 255) == 0 else { return "" }
            memory[255] = 0
            return String(cString: memory.baseAddress!)
        }
    }

    /// The name of this program: the last part of the path by which it was started.
    static var program: String { CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "" }

    /// The number of this process.
    static var processID: Int32 { getpid() }
}
