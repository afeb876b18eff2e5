// swift-tools-version: 6.3
// The targets for libFuzzer: see ../../.ci/fuzz. A package of its own, because it is compiled with instrumentation.
import PackageDescription

let package = Package(
    name: "Fuzz",
    products: [.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"])],
    dependencies: [.package(name: "swift-async-log", path: "../..")],
    targets: [
        .target(
            name: "FuzzTargets",
            dependencies: [
                .product(name: "AsyncLog", package: "swift-async-log"),
                .product(name: "EventLoop", package: "swift-async-log"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
