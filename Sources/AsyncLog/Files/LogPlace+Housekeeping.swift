// What is done with rotated files when there is time: the surplus deleted, the rest compressed, what a crash has left
// behind cleared away.
import AsyncFD

extension LogPlace {
    /// A file that is being compressed.
    struct Compressing: Sendable {
        let name: RotatedName
        let original: FileStatus
        /// The original, and what will be the compressed file.
        let input, output: CInt
        let partial: FilePath
        let pid: CInt

        /// Kills the program. Only as long as it has not been collected.
        func end() { FilterProgram.kill(pid) }
    }

    /// Deletes what is not to be kept. Returns the next file to compress, if there is one: the oldest.
    ///
    /// - Parameter isStart: nothing is being compressed, so what is half done was left behind by a crash.
    func tidy(_ place: FilePath, now: Int64, isStart: Bool) throws(IOError) -> RotatedName? {
        guard let names, isStart || keep != .all || compressor != nil else { return nil }
        let all = try FileSystem.listFiles(place.removingLastComponent())
        if isStart {
            for name in all
            where name.hasSuffix(RotatedNames.partialSuffix)
                && names.parse(String(name.dropLast(RotatedNames.partialSuffix.count))) != nil
            {
                try FileSystem.remove(place.sibling(name))
            }
        }
        let looksAtFiles = !keep.isCountAlone || compressor != nil
        var files: [Retention.File] = []
        for name in all.compactMap({ names.parse($0) }) {
            guard looksAtFiles else {
                files.append(Retention.File(name: name, size: 0, modified: 0))
                continue
            }
            guard let status = try FileSystem.status(place.sibling(name.name), followingLink: false) else { continue }
            files.append(Retention.File(name: name, size: status.size, modified: status.modified))
        }
        let compressed = Dictionary(files.filter(\.name.isCompressed).map { ($0.name.plain, $0) }) { first, _ in first }
        let doubles = files.filter { file in
            looksAtFiles && !file.name.isCompressed
                && compressed[file.name.plain].map { isCompressed($0, of: file) } ?? false
        }
        let gone = Set(doubles.map(\.name.name))
        let single = files.filter { !gone.contains($0.name.name) }
        let surplus = keep.surplus(single, now: now)
        for file in doubles + surplus { try FileSystem.remove(place.sibling(file.name.name)) }
        guard compressor != nil else { return nil }
        let deleted = Set(surplus.map(\.name.name))
        return single.lazy.map(\.name).filter {
            !$0.isCompressed && !deleted.contains($0.name) && compressed[$0.plain] == nil
        }.min()
    }

    /// A compressed file has its original's time of modification: then it is whole, and the original was about to go.
    private func isCompressed(_ file: Retention.File, of original: Retention.File) -> Bool {
        file.modified == original.modified
    }

    /// Starts the program. Nil: the file has gone.
    func startCompressing(_ name: RotatedName, in place: FilePath) throws(IOError) -> Compressing? {
        guard let compressor else { return nil }
        let path = place.sibling(name.name)
        let input: CInt
        do throws(IOError) { input = try FileSystem.openForReading(path) } catch {
            if error.code == .notFound { return nil }
            throw error
        }
        do throws(IOError) {
            let original = try FileSystem.status(input, of: path)
            let partial = place.sibling(name.plain + compressedSuffix + RotatedNames.partialSuffix)
            try FileSystem.remove(partial)
            let output = try FileSystem.create(partial, like: original)
            do throws(IOError) {
                let pid = try compressor.start(input: input, output: output)
                return Compressing(
                    name: name, original: original, input: input, output: output, partial: partial, pid: pid)
            } catch {
                FileSystem.close(output)
                try? FileSystem.remove(partial)
                throw error
            }
        } catch {
            FileSystem.close(input)
            throw error
        }
    }

    /// Gives the compressed file its final name and removes the original, wherever that one may be by now. `failure`:
    /// the program did not succeed.
    func finishCompressing(_ work: Compressing, in place: FilePath, failure: IOError?) throws(IOError) {
        defer {
            FileSystem.close(work.input)
            FileSystem.close(work.output)
        }
        do throws(IOError) {
            if let failure { throw failure }
            try publish(work, place)
        } catch {
            try? FileSystem.remove(work.partial)
            throw error
        }
    }

    private func publish(_ work: Compressing, _ place: FilePath) throws(IOError) {
        guard let name = try presentName(of: work, place) else { return try FileSystem.remove(work.partial) }
        // The original's age is what retention goes by; and it tells that the file is whole (`isCompressed`).
        try FileSystem.setModificationTime(work.output, of: work.partial, work.original.modified)
        try FileSystem.sync(work.output, of: work.partial, timesToo: true)
        try FileSystem.rename(work.partial, to: place.sibling(name.plain + compressedSuffix))
        try FileSystem.syncFolder(place.removingLastComponent())
        try FileSystem.remove(place.sibling(name.name))
    }

    /// What the original is called now: numbered files are renamed at each rotation, and any may have been deleted.
    private func presentName(of work: Compressing, _ place: FilePath) throws(IOError) -> RotatedName? {
        guard let names else { return nil }
        var candidates = [work.name]
        if case .numbered = names.naming.kind {
            candidates = try FileSystem.list(place.removingLastComponent()).compactMap { names.parse($0) }.filter {
                !$0.isCompressed
            }
        }
        for name in candidates {
            let status = try FileSystem.status(place.sibling(name.name), followingLink: false)
            if status?.identity == work.original.identity { return name }
        }
        return nil
    }
}
