// Ways to end while a rotated file is being compressed.
import AsyncLog
import EventLoop
import Glibc
import ProcessHazards

/// Rotates a file; the program of the name `gzip` that PATH has first does what the test wants.
///
/// - Parameter hasPidfd: false: the kernel refuses pidfd_open(2).
func endWhileCompressing(_ folder: String, hasPidfd: Bool) async throws {
    if !hasPidfd, hazard_refuse(434, ENOSYS) != 0 { exit(77) }
    let rotation = Rotation(naming: .numbered, compress: .gzip)
    let handler = try await FileHandler(FilePath(folder + "/app.log"), formatter: TextFormatter(), rotation: rotation)
    let logger = Logger("app", handlers: [handler])
    await logger.info("old")
    try await handler.rotate()
    // Until the compression has begun.
    while access(folder + "/begun", F_OK) != 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
    await logger.info("new")
}
