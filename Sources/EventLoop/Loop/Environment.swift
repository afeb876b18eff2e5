// Variables of the environment.
import Glibc

/// The value of an environment variable; nil if there is none. No other thread may change the environment meanwhile:
/// setenv(3) is not thread-safe.
package func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
