// Where a logger was called. The texts of our own calls are part of the program; those of calls through another logging
// API were made at run time.

/// A place in the source. Its texts are valid during the call that hands the record over.
public struct CallSite {
    /// `Module/File.swift`
    public let file: Text
    /// The function, as `#function` names it.
    public let function: Text
    /// Counted from 1.
    public let line: UInt32
    /// True if all texts are part of the program, so that they stay valid.
    @usableFromInline let isStatic: Bool
    /// The module that logs, if it is not the module of `file`; else empty.
    @usableFromInline let otherModule: Text

    /// The place of the call, by default.
    @inlinable
    @inline(__always)
    public init(file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line) {
        self.init(
            file: Text(file), function: Text(function), line: UInt32(truncatingIfNeeded: line), isStatic: true,
            module: Text(UnsafeBufferPointer(start: nil, count: 0)))
    }

    /// A place whose texts were made at run time.
    ///
    /// - Parameter module: the module that logs; empty if it is the module of `file`.
    package init(file: Text, function: Text, line: UInt, module: Text) {
        self.init(
            file: file, function: function, line: UInt32(truncatingIfNeeded: line), isStatic: false, module: module)
    }

    /// A place whose texts no handler, formatter or sampler reads.
    package init(line: UInt) {
        self.init(file: "", function: "", line: line)
    }

    @inlinable
    @inline(__always)
    init(file: Text, function: Text, line: UInt32, isStatic: Bool, module: Text) {
        self.file = file
        self.function = function
        self.line = line
        self.isStatic = isStatic
        otherModule = module
    }

    /// The module that logs: `Module`. In swift-log it is called the source.
    public var module: Text {
        if !otherModule.isEmpty { return otherModule }
        let end = file.bytes.firstIndex(of: UInt8(ascii: "/")) ?? 0
        return Text(UnsafeBufferPointer(rebasing: file.bytes[..<end]))
    }

    /// The parts of a call site that a formatter or a handler reads. Other logging APIs hand only these over, because
    /// each text must be copied.
    public struct Parts: OptionSet, Sendable {
        /// One bit for each part.
        public let rawValue: UInt8
        /// Makes a set of parts from its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `Module/File.swift`
        public static let file = Parts(rawValue: 1)
        /// The function's name.
        public static let function = Parts(rawValue: 2)
        /// The module's name. `file` contains it, unless the caller names another module.
        public static let module = Parts(rawValue: 4)

        /// Everything.
        public static let all: Parts = [.file, .function, .module]
    }
}

// MARK: Copies

extension CallSite {
    /// How many bytes of text must be copied to keep the place.
    @inline(__always)
    var textSize: Int { isStatic ? 0 : file.bytes.count + function.bytes.count + otherModule.bytes.count }

    /// The same place, with its texts copied to `memory`, unless they are part of the program.
    @inline(__always)
    func copy(to memory: UnsafeMutableRawPointer) -> CallSite { isStatic ? self : copyTexts(to: memory) }

    private func copyTexts(to memory: UnsafeMutableRawPointer) -> CallSite {
        var end = memory
        func copy(_ text: Text) -> Text {
            guard let base = text.bytes.baseAddress else { return text }
            end.copyMemory(from: base, byteCount: text.bytes.count)
            defer { end += text.bytes.count }
            return Text(UnsafeBufferPointer(start: end.assumingMemoryBound(to: UInt8.self), count: text.bytes.count))
        }
        return CallSite(
            file: copy(file), function: copy(function), line: line, isStatic: false, module: copy(otherModule))
    }
}
