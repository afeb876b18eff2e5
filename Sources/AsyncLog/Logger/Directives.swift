// Levels as a text, for the command line and the environment.
//
//     directives = directive { "," directive }
//     directive  = level | [ name ] [ "{" field { "," field } "}" ] "=" level
//     field      = key "=" value           (the value may stand in quotation marks)
//     name       = the full name of a logger; "*" stands for any text
//     level      = trace | debug | info | notice | warning | error | critical | off | all

import AsyncFD
import EventLoop

/// Which loggers log from which level on.
///
///     try Directives("info,net.*=debug,db{user=7}=trace")
///
/// A level alone sets the root's level. A name sets the level of that logger and of the loggers below it that have no
/// level of their own, whether or not the logger exists yet. `net.*` sets the level of `net` and of all loggers below
/// it, whatever level they have. Of several patterns that match, the longest counts; of equally long ones, the last. A
/// directive with fields in braces lets in records from its level on that have fields with these values.
public struct Directives: Sendable {
    /// The root's level.
    private(set) var base: UInt8?
    private var levels: [(pattern: NamePattern, level: UInt8)] = []
    private var rules: [FieldRule] = []

    init() {}

    /// Parses directives.
    ///
    /// - Throws: `DirectiveError`, which points at the place.
    public init(_ text: String) throws(DirectiveError) {
        var parser = DirectiveParser(text)
        try parser.parse(into: &self)
    }

    /// Parses the directives in an environment variable; there are none if the variable is not set.
    ///
    /// - Throws: `DirectiveError`, which points at the place.
    public static func environment(_ variable: String = "ASYNCLOG") throws(DirectiveError) -> Directives {
        guard let text = environmentVariable(variable) else { return Directives() }
        return try Directives(text)
    }

    /// The directives in `ASYNCLOG`, for the standard loggers. A text that cannot be parsed is reported on standard
    /// error and has no other effect.
    static let ofEnvironment: Directives? = {
        guard environmentVariable("ASYNCLOG") != nil else { return nil }
        do throws(DirectiveError) { return try environment() } catch {
            StandardErrorFallback.reportFromAnyThread(
                "asynclog: the environment variable ASYNCLOG is ignored: \(error.reason)")
            for line in error.marked { StandardErrorFallback.reportFromAnyThread(line) }
            return nil
        }
    }()

    mutating func add(_ name: String?, _ fields: [(key: String, value: String)], _ level: UInt8) {
        if !fields.isEmpty {
            rules.append(FieldRule(pattern: NamePattern(name ?? "*"), fields: fields, level: level))
        } else if let name {
            levels.append((NamePattern(name), level))
        } else {
            base = level
        }
    }

    /// True if a directive sets the level of a name.
    var haveNames: Bool { !levels.isEmpty }

    /// The level that a directive gives to the logger with this name.
    func level(of name: String) -> UInt8? {
        var best: (length: Int, level: UInt8)?
        for (pattern, level) in levels where pattern.matches(name) && pattern.length >= best?.length ?? 0 {
            best = (pattern.length, level)
        }
        return best?.level
    }

    /// The rules that let in records of the logger with this name because of their fields.
    func rules(for name: String) -> [FieldRule] {
        rules.filter { $0.pattern.matches(name) || $0.pattern.isAncestor(of: name) }
    }

    struct FieldRule: Sendable {
        let pattern: NamePattern
        let fields: [(key: String, value: String)]
        let level: UInt8

        func matches(_ record: borrowing Record) -> Bool {
            for field in fields where !(record.value(field.key)?.reads(field.value) ?? false) { return false }
            return true
        }
    }
}

/// A logger's name in which `*` stands for any text. `net.*` matches `net`, too.
struct NamePattern: Sendable {
    private let text: [UInt8]
    var length: Int { text.count }

    init(_ text: String) { self.text = Array(text.utf8) }

    func matches(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { name in
            if text.suffix(2).elementsEqual(".*".utf8), text.dropLast(2).elementsEqual(name) { return true }
            return matches(name)
        }
    }

    func isAncestor(of name: String) -> Bool { name.utf8.starts(with: text + [UInt8(ascii: ".")]) }

    /// Goes back to the last star only, so that the product of the lengths bounds the time (as in R. Cox, "Glob
    /// Matching Can Be Simple And Fast Too").
    private func matches(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
        var (at, from) = (0, 0)
        var star: (text: Int, name: Int)?
        while from < name.count {
            if at < text.count, text[at] == UInt8(ascii: "*") {
                star = (at, from)
                at += 1
            } else if at < text.count, text[at] == name[from] {
                at += 1
                from += 1
            } else if let last = star {
                star = (last.text, last.name + 1)
                (at, from) = (last.text + 1, last.name + 1)
            } else {
                return false
            }
        }
        return text[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
