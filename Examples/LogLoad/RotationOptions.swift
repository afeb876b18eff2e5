// The flags of `--to rotate:PATH`.
import ArgumentParser

struct RotationOptions: ParsableArguments {
    @Option(help: "Rotate before the file has more than so many bytes.")
    var rotateSize: Int?

    @Option(help: "Rotate every so many seconds.")
    var rotateEvery: Int?

    @Option(help: "How many rotated files are kept; all, unless given.")
    var keep: Int?

    @Option(help: "Compress rotated files: gzip, zstd.")
    var compress: Compression?

    enum Compression: String, ExpressibleByArgument, CaseIterable { case gzip, zstd }

    func validate(for destination: Destination) throws {
        if rotateSize != nil || rotateEvery != nil || keep != nil || compress != nil {
            throw ValidationError("--rotate-size, --rotate-every, --keep and --compress go with --to rotate:PATH")
        }
    }
}
