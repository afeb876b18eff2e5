// Where a logger was called: in our own calls a place in the program, in those that come through another logging API texts made at run time.

/// A place in the source. What it says is valid during the call that hands the record over.
public struct CallSite {
    /// `Module/File.swift`
    public let file: Text
    /// The function, as `#function` names it.
    public let function: Text
    /// Counted from 1.
    public let line: UInt32
    /// True if everything in it stands in the program, so that it is valid for good.
    @usableFromInline let isStatic: Bool
    /// Who logs, if that is somebody else than the module of `file`; else empty.
    @usableFromInline let otherModule: Text

    /// Here, unless said otherwise.
    @inlinable
    @inline(__always)
    public init(file: StaticString = #fileID, function: StaticString = #function, line: UInt = #line) {
        self.init(
            file: Text(file), function: Text(function), line: UInt32(truncatingIfNeeded: line), isStatic: true,
            module: Text(UnsafeBufferPointer(start: nil, count: 0)))
    }

    /// A place whose texts were made at run time.
    ///
    /// - Parameter module: who logs; empty if it is what `file` says.
    package init(file: Text, function: Text, line: UInt, module: Text) {
        self.init(file: file, function: function, line: UInt32(truncatingIfNeeded: line), isStatic: false, module: module)
    }

    /// A place of which nobody reads the texts.
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

    /// What a formatter, or a handler, wants to know of a call site. What nobody wants to know is not brought along from other logging APIs, where it would
    /// have to be copied.
    public struct Parts: OptionSet, Sendable {
        /// A bit for each part.
        public let rawValue: UInt8
        /// Parts by their bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `Module/File.swift`
        public static let file = Parts(rawValue: 1)
        /// The function's name.
        public static let function = Parts(rawValue: 2)
        /// Contained in `file`, unless the caller says otherwise.
        public static let module = Parts(rawValue: 4)

        /// Everything.
        public static let all: Parts = [.file, .function, .module]
    }
}

// MARK: Copies

extension CallSite {
    /// The size of the texts that have to be copied if the place is to be kept.
    @inline(__always)
    var textSize: Int { isStatic ? 0 : file.bytes.count + function.bytes.count + otherModule.bytes.count }

    /// The same place, with its texts copied to `memory`, if they are not there for good.
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
        return CallSite(file: copy(file), function: copy(function), line: line, isStatic: false, module: copy(otherModule))
    }
}
