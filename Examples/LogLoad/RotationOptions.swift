// The flags of `--to rotate:PATH`.
import ArgumentParser
import AsyncLog

struct RotationOptions: ParsableArguments {
    @Option(help: "Rotate before the file has more than this many bytes; a mebibyte, if no flag says when.")
    var rotateSize: Int?

    @Option(help: "Rotate in this interval of seconds.")
    var rotateEvery: Int?

    @Option(help: "How many rotated files are kept; all, unless given.")
    var keep: Int?

    @Option(help: "Compress rotated files: gzip, zstd.")
    var compress: Compression?

    var rotation: Rotation {
        var triggers: [RotationTrigger] = []
        if let rotateSize { triggers.append(.size(rotateSize)) }
        if let rotateEvery { triggers.append(.every(rotateEvery, .seconds)) }
        if triggers.isEmpty { triggers.append(.size(1 << 20)) }
        return Rotation(
            triggers, keep: keep.map { .count($0) } ?? .all, compress: compress.map { $0 == .gzip ? .gzip : .zstd })
    }

    enum Compression: String, ExpressibleByArgument, CaseIterable { case gzip, zstd }

    func validate(for destination: Destination) throws {
        func require(_ value: Int?, _ flag: String) throws {
            if let value, value < 1 { throw ValidationError("\(flag) \(value): must be at least 1") }
        }
        try require(rotateSize, "--rotate-size")
        try require(rotateEvery, "--rotate-every")
        try require(keep, "--keep")
        guard !destination.isRotated else { return }
        if rotateSize != nil || rotateEvery != nil || keep != nil || compress != nil {
            throw ValidationError("--rotate-size, --rotate-every, --keep and --compress go with --to rotate:PATH")
        }
    }
}
