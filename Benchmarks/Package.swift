// swift-tools-version: 6.3
// Measurements of the libraries in the folder above. A package of its own, so that nobody who depends on them resolves what is only measured with.
import PackageDescription

let settings: [SwiftSetting] = [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]

let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "swift-async-log", path: "..")
    ],
    targets: [
        .executableTarget(name: "logpeer", dependencies: [.product(name: "AsyncLog", package: "swift-async-log")], swiftSettings: settings)
    ],
    swiftLanguageModes: [.v6]
)
