// Ways to end while a rotated file is being compressed.
import AsyncLog
import EventLoop
import Glibc

/// Rotates a file; the program of the name `gzip` that PATH has first does what the test wants.
func endWhileCompressing(_ folder: String) async throws {
    let rotation = Rotation(naming: .numbered, compress: .gzip)
    let handler = try await FileHandler(FilePath(folder + "/app.log"), formatter: TextFormatter(), rotation: rotation)
    let logger = Logger("app", handlers: [handler])
    await logger.info("old")
    try await handler.rotate()
    // Until the compression has begun.
    while access(folder + "/begun", F_OK) != 0 { try await EventLoop.sleep(for: .milliseconds(1)) }
    await logger.info("new")
}
