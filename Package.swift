// swift-tools-version: 6.3
// Three libraries, each on top of the one before: a reactor, the descriptors that it waits for, and a logger that never
// blocks it. Three small libraries connect the logger to swift-log, swift-service-lifecycle and swift-metrics.
import PackageDescription

let settings: [SwiftSetting] = [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]
/// For programs whose code all runs on the main actor, which is the event loop's thread.
let programSettings = settings + [.defaultIsolation(MainActor.self)]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "swift-async-log",
    products: [
        .library(name: "EventLoop", targets: ["EventLoop"]),
        .library(name: "AsyncFD", targets: ["AsyncFD"]),
        .library(name: "AsyncLog", targets: ["AsyncLog"]),
        .library(name: "AsyncLogBridge", targets: ["AsyncLogBridge"]),
        .library(name: "AsyncLogLifecycle", targets: ["AsyncLogLifecycle"]),
        .library(name: "AsyncLogMetrics", targets: ["AsyncLogMetrics"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Only the small targets for servers use these packages. A program that uses none of those targets does not
        // build them.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C: calls that `import Glibc` does not show, and functions that a signal handler may call. One target for each
        // library.
        .target(name: "CEventLoop"),
        .target(name: "CAsyncFD", dependencies: ["CEventLoop"]),
        .target(name: "CAsyncLog", dependencies: ["CEventLoop", "CAsyncFD"]),
        .target(name: "EventLoop", dependencies: ["CEventLoop", heap, deque, system], swiftSettings: settings),
        .target(
            name: "AsyncFD", dependencies: ["EventLoop", "CEventLoop", "CAsyncFD", deque, system],
            swiftSettings: settings),
        .target(
            name: "AsyncLog",
            dependencies: ["CEventLoop", "CAsyncFD", "CAsyncLog", "EventLoop", "AsyncFD", deque, system],
            swiftSettings: settings),
        .target(
            name: "AsyncLogBridge", dependencies: ["AsyncLog", "AsyncFD", "EventLoop", logging], swiftSettings: settings
        ),
        .target(name: "AsyncLogLifecycle", dependencies: ["AsyncLog", lifecycle], swiftSettings: settings),
        .target(name: "AsyncLogMetrics", dependencies: ["AsyncLog", "AsyncFD", metrics], swiftSettings: settings),

        .executableTarget(
            name: "HelloLog", dependencies: ["AsyncLog", arguments], path: "Examples/HelloLog", swiftSettings: settings),
        .executableTarget(
            name: "LogLoad", dependencies: ["AsyncLog", "EventLoop", arguments, system], path: "Examples/LogLoad",
            swiftSettings: settings),
        .executableTarget(
            name: "logcheck", dependencies: [arguments], path: "Examples/LogCheck", swiftSettings: settings),
        .executableTarget(
            name: "EchoServer", dependencies: ["AsyncFD", "EventLoop", arguments], path: "Examples/EchoServer",
            swiftSettings: settings),
        .executableTarget(
            name: "NonBlockingStdio", dependencies: ["AsyncFD"], path: "Examples/NonBlockingStdio",
            swiftSettings: programSettings),
        .executableTarget(name: "Cat", dependencies: ["AsyncFD"], path: "Examples/Cat", swiftSettings: programSettings),
        .executableTarget(
            name: "Tail", dependencies: ["AsyncFD"], path: "Examples/Tail", swiftSettings: programSettings),

        .executableTarget(
            name: "ServerOnLoop", dependencies: ["AsyncLogBridge", "EventLoop", logging], path: "Examples/ServerOnLoop",
            swiftSettings: settings),
        .executableTarget(
            name: "ServerBesideThreads", dependencies: ["AsyncLogBridge", "AsyncLogLifecycle", logging, lifecycle],
            path: "Examples/ServerBesideThreads", swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["EventLoop", "AsyncFD", "AsyncLog", system], path: "Tests/TestSupport",
            swiftSettings: settings),
        // Programs that the tests start as child processes: exit, crash, fork and signals concern a whole process.
        .executableTarget(
            name: "LogProgram", dependencies: ["AsyncLog", "ProcessHazards", "TestSupport"],
            path: "Tests/Programs/LogProgram",
            swiftSettings: settings),
        .target(name: "ProcessHazards", path: "Tests/Programs/ProcessHazards"),
        .executableTarget(
            name: "FDProgram", dependencies: ["AsyncFD"], path: "Tests/Programs/FDProgram",
            swiftSettings: programSettings),
        .executableTarget(
            name: "LoopProgram", dependencies: ["CEventLoop", "EventLoop", "AsyncFD", "ProcessHazards", system],
            path: "Tests/Programs/LoopProgram",
            swiftSettings: settings),
        .target(name: "CountingMalloc", path: "Tests/Programs/CountingMalloc"),
        .executableTarget(
            name: "AllocationProgram", dependencies: ["AsyncLog", "CountingMalloc", system],
            path: "Tests/Programs/AllocationProgram",
            swiftSettings: settings),
        .testTarget(
            name: "EventLoopTests",
            dependencies: ["EventLoop", "AsyncFD", "TestSupport", "LoopProgram", "EchoServer", system],
            swiftSettings: settings),
        .testTarget(
            name: "AsyncFDTests",
            dependencies: [
                "AsyncFD", "CAsyncFD", "TestSupport", "NonBlockingStdio", "FDProgram", "Cat", "Tail", system,
            ],
            swiftSettings: settings),
        // XCTest, because these tests concern its runner. All other tests use Swift Testing.
        .testTarget(name: "RunnerTests", dependencies: ["EventLoop", "AsyncFD", "AsyncLog"], swiftSettings: settings),
        .testTarget(name: "LoadTests", dependencies: ["TestSupport", "LogLoad", "logcheck"], swiftSettings: settings),
        .testTarget(
            name: "AsyncLogTests",
            dependencies: ["AsyncLog", "TestSupport", "HelloLog", "NonBlockingStdio", "LogProgram", system],
            exclude: ["Support/parse.py", "Support/rollover.py", "Support/zones.py"], swiftSettings: settings),
        .testTarget(
            name: "BridgeTests",
            dependencies: [
                "AsyncLogBridge", "AsyncLogLifecycle", "AsyncLogMetrics", "AsyncLog", "EventLoop", "TestSupport",
                logging, lifecycle, system,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
