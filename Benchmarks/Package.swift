// swift-tools-version: 6.3
// Measurements of the libraries in the folder above. A package of its own, so that a package that depends on the libraries
// does not resolve the packages that only the measurements need.
import PackageDescription

let settings: [SwiftSetting] = [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]

let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "swift-async-log", path: ".."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/google/swift-benchmark", from: "0.1.2"),
    ],
    targets: [
        .executableTarget(
            name: "logpeer",
            dependencies: [
                .product(name: "AsyncLog", package: "swift-async-log"), .product(name: "AsyncLogBridge", package: "swift-async-log"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "reactorpeer",
            dependencies: [.product(name: "AsyncFD", package: "swift-async-log"), .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: settings),
        .executableTarget(
            name: "pieces",
            dependencies: [.product(name: "AsyncLog", package: "swift-async-log"), .product(name: "Benchmark", package: "swift-benchmark")],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
