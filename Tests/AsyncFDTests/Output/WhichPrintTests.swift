// Which `print` a call means is for the compiler to say, so it is asked: a source text with every kind of call is
// type-checked against the modules that were built with this test.
//
// Ours is asynchronous and Swift's is not. So a call with `await` that means Swift's gets a warning, and a call without
// `await` that means ours an error.
import Glibc
import TestSupport
import Testing

@Suite("Which print a call means")
struct WhichPrintTests {
    @Test(
        "with any number of items an asynchronous function calls ours: no call is silently Swift's, which blocks",
        arguments: Place.asynchronous)
    func withAwait(place: Place) throws {
        let calls = Call.all(to: [nil, ".standardError", "descriptor"])
        let diagnostics = try diagnostics(of: calls.map { place.line("await " + $0.text) }, in: place)
        #expect(diagnostics == [], "a warning that no 'async' operations occur: that call is Swift's")
    }

    @Test("without await none of them compiles", arguments: Place.asynchronous)
    func withoutAwait(place: Place) throws {
        let calls = Call.all(to: [nil, ".standardError", "descriptor"])
        let diagnostics = try diagnostics(of: calls.map { place.line($0.text) }, in: place)
        for (index, call) in calls.enumerated() {
            let found = diagnostics.filter { $0.line == index }
            #expect(found.count == 1 && found.first?.isMissingAwait == true, "\(call.text): \(found)")
        }
    }

    @Test(
        "in synchronous code, to which a closure without any await belongs, print stays Swift's own",
        arguments: Place.synchronous)
    func synchronous(place: Place) throws {
        let destinations = place == .closureWithoutAwait ? [nil] : [nil, "&text"]
        let diagnostics = try diagnostics(of: Call.all(to: destinations).map { place.line($0.text) }, in: place)
        #expect(diagnostics == [])
    }

    @Test("printing into a string is Swift's in an asynchronous function, too", arguments: Place.asynchronous)
    func intoString(place: Place) throws {
        // a variable of the function's must not be changed there
        guard place != .task && place != .childTask else { return }
        let diagnostics = try diagnostics(of: Call.all(to: ["&text"]).map { place.line($0.text) }, in: place)
        #expect(diagnostics == [])
    }

    // MARK: The source text

    /// One call of `print`.
    struct Call {
        let text: String

        /// One to eight items and none, with and without `separator:`, `terminator:`, and each of the destinations.
        static func all(to destinations: [String?]) -> [Call] {
            let items = ["\"n\"", "n", "m", "optional as Any", "n + m", "[n]", "\"\\(n)\"", "()"]
            var calls: [Call] = []
            for count in 0...items.count {
                for separator in [nil, "\", \""] {
                    for terminator in [nil, "\"\""] {
                        for destination in destinations {
                            let labelled = [("separator", separator), ("terminator", terminator), ("to", destination)]
                            let arguments =
                                items.prefix(count)
                                + labelled.compactMap { name, value in value.map { "\(name): \($0)" } }
                            calls.append(Call(text: "print(\(arguments.joined(separator: ", ")))"))
                        }
                    }
                }
            }
            return calls
        }
    }

    /// Where a call stands.
    enum Place: String, CaseIterable, CustomTestStringConvertible {
        case function, mainActor, actorMethod, task, childTask
        case synchronousFunction, synchronousClosure
        /// The compiler takes it for a synchronous closure, whatever it is passed to.
        case closureWithoutAwait

        static let synchronous = [Place.synchronousFunction, .synchronousClosure, .closureWithoutAwait]
        static let asynchronous = allCases.filter { !synchronous.contains($0) }

        var testDescription: String { rawValue }

        /// The line around a call.
        func line(_ call: String) -> String {
            switch self {
            case .function, .mainActor, .actorMethod, .synchronousFunction: call
            case .task: "Task { await Task.yield(); \(call) }"
            case .childTask: "group.addTask { await Task.yield(); \(call) }"
            case .closureWithoutAwait: "Task { \(call) }"
            case .synchronousClosure: "[1].forEach { _ in \(call) }"
            }
        }

        /// The line above all calls, and the one below.
        var frame: (String, String) {
            let values = "_ n: Int, _ m: Int, _ optional: String?, _ descriptor: AsyncFD"
            let text = "var text = \"\"; text += \"\""
            return switch self {
            case .function: ("func f(\(values)) async { \(text)", "}")
            case .mainActor: ("@MainActor func f(\(values)) async { \(text)", "}")
            case .actorMethod: ("actor A { func f(\(values)) async { \(text)", "} }")
            case .task, .closureWithoutAwait: ("func f(\(values)) async {", "}")
            case .childTask: ("func f(\(values)) async { await withTaskGroup(of: Void.self) { group in", "} }")
            case .synchronousFunction: ("func f(\(values)) { \(text)", "}")
            case .synchronousClosure: ("func f(\(values)) async { \(text)", "}")
            }
        }
    }

    struct Diagnostic: Equatable, CustomStringConvertible {
        /// The number of the call, from 0.
        let line: Int
        let text: String

        var isMissingAwait: Bool { text.contains("error: expression is 'async' but is not marked with 'await'") }
        var description: String { "call \(line): \(text)" }
    }

    /// The warnings and errors of the compiler for these lines.
    private func diagnostics(of lines: [String], in place: Place) throws -> [Diagnostic] {
        let folder = try TemporaryFolder()
        let source = folder.file("calls.swift")
        let text = (["import AsyncFD; " + place.frame.0] + lines + [place.frame.1]).joined(separator: "\n") + "\n"
        let file = open(source, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        let count = Array(text.utf8).withUnsafeBytes { write(file, $0.baseAddress!, $0.count) }
        close(file)
        try #require(count == text.utf8.count)

        let products = ChildProcess.path(of: "")
        let output = try Pipe()
        let compiler = try ChildProcess(
            "/usr/bin/env",
            [
                "swiftc", "-typecheck", "-swift-version", "6", "-diagnostic-style", "llvm", "-I", products + "Modules",
                "-I", products + "../../checkouts/swift-system/Sources/CSystem/include",
                "-Xcc", "-fmodule-map-file=" + products + "CEventLoop.build/module.modulemap",
                "-Xcc", "-fmodule-map-file=" + products + "CAsyncFD.build/module.modulemap", source,
            ], output: .null, error: .descriptor(output.writer))
        let said = String(decoding: output.readToEnd(), as: UTF8.self)
        let end = try compiler.wait()
        let diagnostics = said.split(separator: "\n").compactMap { line -> Diagnostic? in
            guard line.hasPrefix(source), line.contains(": error: ") || line.contains(": warning: ") else { return nil }
            let place = line.dropFirst(source.count + 1)
            // The first call stands in the second line.
            return Int(place.prefix { $0 != ":" }).map { Diagnostic(line: $0 - 2, text: String(place)) }
        }
        // Neither a compiler that is not there nor a module that is not found may look like a text without errors.
        try #require(
            end == .exited(0) || diagnostics.contains { $0.text.contains("error: ") }, "swiftc: \(end), \(said)")
        return diagnostics
    }
}
