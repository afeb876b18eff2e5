// swift-tools-version: 6.3
// A package of its own, so that the main one does not depend on Hummingbird.
import PackageDescription

let package = Package(
    name: "HummingbirdServer",
    dependencies: [
        .package(name: "swift-async-log", path: "../.."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .executableTarget(
            name: "HummingbirdServer",
            dependencies: [
                .product(name: "AsyncLogBridge", package: "swift-async-log"),
                .product(name: "AsyncLogLifecycle", package: "swift-async-log"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
