// The process and its surroundings, as the C library knows them.
import Glibc

/// The value of an environment variable; nil if there is none. Reads memory that nobody must change meanwhile: setenv(3) is not thread-safe.
package func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// What this machine is called: gethostname(2).
package var hostName: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { memory in
        guard gethostname(memory.baseAddress!, 255) == 0 else { return "" }
        memory[255] = 0
        return String(cString: memory.baseAddress!)
    }
}

/// The number of this process.
package var processID: Int32 { getpid() }

/// What this program is called: the last part of the path by which it was started.
package var programName: String { CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "" }
