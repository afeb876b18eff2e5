// A folder for one test, gone with it.
import Glibc

/// A new, empty folder; removed with everything in it when it goes.
public final class TemporaryFolder {
    public let path: String

    public init() throws {
        var template = Array("/tmp/asyncfd-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(operation: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { removeAll(path) }

    public func file(_ name: String) -> String { path + "/" + name }
}

private func removeAll(_ path: String) {
    if unlink(path) == 0 { return }
    if let folder = opendir(path) {
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { removeAll(path + "/" + name) }
        }
        closedir(folder)
    }
    rmdir(path)
}

/// The whole text of a file.
public func readText(path: String) throws -> String { String(decoding: try readAll(path: path), as: UTF8.self) }

/// All bytes of a file.
public func readAll(path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(operation: "open \(path)", errno: errno) }
    defer { close(descriptor) }
    return readAll(descriptor)
}
