// The numbers 0, 1 and 2 belong to the program's standard streams.
import Glibc
import SystemPackage

package enum StandardNumbers {
    /// Moves a descriptor that was just made to a number above 2, should it be 0, 1 or 2; closes it if that fails.
    ///
    /// A program may be started with its standard descriptors closed. No descriptor of the library may take their
    /// numbers, because the program prints to them.
    package static func above2(_ descriptor: CInt) -> Result<CInt, Errno> {
        guard descriptor <= 2 else { return .success(descriptor) }
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        let reason = errno
        close(descriptor)
        return moved >= 0 ? .success(moved) : .failure(Errno(rawValue: reason))
    }
}
