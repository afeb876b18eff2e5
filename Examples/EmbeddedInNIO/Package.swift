// swift-tools-version: 6.3
// A package of its own, so that the main one does not depend on swift-nio.
import PackageDescription

let package = Package(
    name: "EmbeddedInNIO",
    dependencies: [
        .package(name: "swift-async-log", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        .executableTarget(
            name: "EmbeddedInNIO",
            dependencies: [
                .product(name: "AsyncLog", package: "swift-async-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: [.enableUpcomingFeature("NonisolatedNonsendingByDefault")])
    ],
    swiftLanguageModes: [.v6]
)
