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
/// A level alone is for the root. A name concerns that logger, and those below it that have no level of their own, whether or not there is such a logger; `net.*` concerns `net` and all below it, whatever they
/// have; of several that fit the longest name counts, of equally long ones the last. With fields in braces, records from that level on are
/// let in if they have fields that read like this.
public struct Directives: Sendable {
    /// The root's level.
    private(set) var base: UInt8?
    private var levels: [(pattern: NamePattern, level: UInt8)] = []
    private var rules: [FieldRule] = []

    init() {}

    /// Reads directives.
    ///
    /// - Throws: `DirectiveError`, which points at the place.
    public init(_ text: String) throws(DirectiveError) {
        var parser = DirectiveParser(text)
        try parser.parse(into: &self)
    }

    /// Reads the directives in an environment variable; none if there is no such variable.
    ///
    /// - Throws: `DirectiveError`, which points at the place.
    public static func environment(_ variable: String = "ASYNCLOG") throws(DirectiveError) -> Directives {
        guard let text = environmentVariable(variable) else { return Directives() }
        return try Directives(text)
    }

    /// What `ASYNCLOG` says, for the standard loggers. What cannot be read is said on standard error, and does no harm otherwise.
    static let ofEnvironment: Directives? = {
        guard environmentVariable("ASYNCLOG") != nil else { return nil }
        do throws(DirectiveError) { return try environment() } catch {
            StandardErrorFallback.reportFromAnyThread("asynclog: the environment variable ASYNCLOG is ignored: \(error.reason)")
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

    /// True if a level is given to any name.
    var haveNames: Bool { !levels.isEmpty }

    /// The level that a directive gives to the logger with this name.
    func level(of name: String) -> UInt8? {
        var best: (length: Int, level: UInt8)?
        for (pattern, level) in levels where pattern.matches(name) && pattern.length >= best?.length ?? 0 { best = (pattern.length, level) }
        return best?.level
    }

    /// What lets in records of the logger with this name for the sake of their fields.
    func rules(for name: String) -> [FieldRule] { rules.filter { $0.pattern.matches(name) || $0.pattern.isAncestor(of: name) } }

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

/// A logger's name in which `*` stands for any text. `net.*` is `net`, too.
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

    /// Goes back to the last star only, so that the time is bounded by the product of the lengths (as in R. Cox, "Glob Matching Can Be Simple And Fast Too").
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
