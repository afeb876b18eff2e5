// The number of a signal, with the names of those that programs use.
import Glibc

extension EventLoop {
    /// The number of a signal.
    public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The number, as signal(7) lists it.
        public let rawValue: CInt

        /// The signal with this number. `EventLoop.signals` checks whether there is one.
        public init(rawValue: CInt) { self.rawValue = rawValue }

        /// SIGHUP: the terminal is gone; for daemons, read the configuration again.
        public static let hangUp = Signal(rawValue: SIGHUP)
        /// SIGINT: Ctrl-C.
        public static let interrupt = Signal(rawValue: SIGINT)
        /// SIGQUIT: Ctrl-\\.
        public static let quit = Signal(rawValue: SIGQUIT)
        /// SIGTERM: please end.
        public static let terminate = Signal(rawValue: SIGTERM)
        /// SIGUSR1.
        public static let user1 = Signal(rawValue: SIGUSR1)
        /// SIGUSR2.
        public static let user2 = Signal(rawValue: SIGUSR2)
        /// SIGWINCH: the terminal has another size.
        public static let windowChanged = Signal(rawValue: SIGWINCH)
        /// SIGCONT: goes on after a stop.
        public static let continued = Signal(rawValue: SIGCONT)

        /// `SIGTERM`; `signal 37` for those without a name here.
        public var description: String { Signal.names[self] ?? "signal \(rawValue)" }

        private static let names: [Signal: String] = [
            .hangUp: "SIGHUP", .interrupt: "SIGINT", .quit: "SIGQUIT", .terminate: "SIGTERM", .user1: "SIGUSR1",
            .user2: "SIGUSR2",
            .windowChanged: "SIGWINCH", .continued: "SIGCONT", Signal(rawValue: SIGKILL): "SIGKILL",
            Signal(rawValue: SIGSEGV): "SIGSEGV",
            Signal(rawValue: SIGBUS): "SIGBUS", Signal(rawValue: SIGILL): "SIGILL", Signal(rawValue: SIGFPE): "SIGFPE",
            Signal(rawValue: SIGTRAP): "SIGTRAP", Signal(rawValue: SIGABRT): "SIGABRT",
            Signal(rawValue: SIGPIPE): "SIGPIPE",
            Signal(rawValue: SIGALRM): "SIGALRM", Signal(rawValue: SIGCHLD): "SIGCHLD",
            Signal(rawValue: SIGSTOP): "SIGSTOP",
            Signal(rawValue: SIGTSTP): "SIGTSTP",
        ]

        /// Signals that can be caught, and whose handler may return: not SIGKILL and SIGSTOP, not those that
        /// report a fault of the program.
        var canBeCaught: Bool {
            rawValue > 0 && rawValue <= 64
                && ![SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS].contains(rawValue)
        }
    }
}
