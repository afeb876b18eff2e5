// The setting that says where a connected handler's records wait. The file itself: DiskSpool.swift.
import AsyncFD

/// Where records wait while there is no connection.
public struct Spool: Sendable {
    /// How many bytes may wait in memory.
    let memory: Int
    let disk: (path: String, limit: Int)?

    /// In memory, at most so many bytes: a mebibyte, unless given.
    public static func memory(_ bytes: Int = BufferedHandler.defaultCapacity) -> Spool {
        Spool(memory: bytes, disk: nil)
    }

    /// In a file, so that they outlive the program, and in memory until they are there.
    ///
    ///     SocketHandler(.tcp("logs.example.com", port: 5170), formatter: JSONFormatter(), spool: .disk("/var/spool/app/log"))
    ///
    /// The file is made for its owner alone (0600); one that is there already with another owner or mode, and a
    /// symbolic link, are refused. It is locked while it is used, and emptied when all in it has been sent; what an
    /// earlier run of the program has left in it is sent first. A record that is in the file counts as written, and
    /// `flush(.durable)` has it on the disk; `statistics.spooledBytes` says how much has not been sent. Each record has
    /// a checksum: one that is damaged is not sent, those behind it are, and the fallback is told how many are lost.
    /// Records may be sent twice if the program is killed while it sends them. Not for UDP, which does not tell when to
    /// spool, nor without a framing.
    ///
    /// If the file is removed while it is used, the handler is `failed` with the code `.removed`: records that come
    /// later wait in memory. With the next connection those in the file are sent first. If the run ends before, they
    /// are lost, and the fallback gets a report of how many they are; they have been counted as written. A new file is
    /// made when all has been sent and that connection breaks; at once, if nothing in the file was left to be sent.
    ///
    /// - Parameters:
    ///   - path: the file's, in a folder that exists. Each handler has its own.
    ///   - limit: how large the file may become, in bytes. Beyond it records wait in memory until all in the file has
    ///     been sent.
    ///   - memory: how many bytes may wait in memory: while the file is being written, and when it is full, or the disk
    ///     is.
    public static func disk(_ path: String, upTo limit: Int = 64 << 20, memory: Int = BufferedHandler.defaultCapacity)
        -> Spool
    {
        precondition(limit > SpoolFormat.headerSize, "limit: must be more than \(SpoolFormat.headerSize) bytes")
        return Spool(memory: memory, disk: (path, limit))
    }
}
