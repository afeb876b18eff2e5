// A terminal of the test's own.
import Glibc

/// Both sides of a pseudoterminal, in raw mode: what goes in on one side comes out on the other unchanged.
public final class Pseudoterminal {
    /// The side of the terminal emulator.
    public private(set) var master: CInt
    /// The side of the program.
    public private(set) var slave: CInt

    public init() throws {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var (number, lock): (CUnsignedInt, CInt) = (0, 0)
        guard master >= 0, ioctl(master, TIOCGPTN, &number) == 0, ioctl(master, TIOCSPTLCK, &lock) == 0 else {
            throw SystemError(operation: "open /dev/ptmx", errno: errno)
        }
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0 else { throw SystemError(operation: "open", errno: errno) }
        var settings = termios()
        tcgetattr(slave, &settings)
        cfmakeraw(&settings)
        tcsetattr(slave, TCSANOW, &settings)
        self.master = master
        self.slave = slave
    }

    deinit {
        closeMaster()
        closeSlave()
    }

    public func closeMaster() {
        if master >= 0 { close(master) }
        master = -1
    }

    public func closeSlave() {
        if slave >= 0 { close(slave) }
        slave = -1
    }
}

// ioctl_tty(2); macros that Swift does not import.
private let TIOCGPTN: CUnsignedLong = 0x8004_5430
private let TIOCSPTLCK: CUnsignedLong = 0x4004_5431
