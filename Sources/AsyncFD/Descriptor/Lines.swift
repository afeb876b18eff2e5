// A stream's text, line by line, and its bytes one by one.
import EventLoop
import SystemPackage

extension AsyncFD {
    /// The stream's lines, without their ends (`\n` or `\r\n`), at most a mebibyte each; what is not UTF-8 is repaired.
    /// A last line without an end counts.
    ///
    ///     for try await line in AsyncFD.standardInput.lines { … }
    ///
    /// A program may leave the loop at any line and continue later: nothing is lost in between.
    public var lines: Lines { lines() }

    /// The stream's lines, without their ends (`\n` or `\r\n`).
    ///
    /// - Parameters:
    ///   - maximumLength: how many bytes a line may have. A longer one is an error, `.tooLong`, and stays in the
    ///     stream: other ways of reading still get it.
    ///   - invalidText: what becomes of bytes that are not UTF-8.
    public func lines(maximumLength: Int = 1 << 20, invalidText: Lines.InvalidText = .repair) -> Lines {
        Lines(descriptor: self, maximumLength: maximumLength, invalidText: invalidText)
    }

    /// The stream's bytes, one by one. As with `lines`, a program may leave the loop at any byte.
    public var bytes: Bytes { Bytes(descriptor: self) }
}

extension AsyncFD {
    /// The lines of a stream. See `AsyncFD.lines`.
    public struct Lines: AsyncSequence, Sendable {
        public typealias Element = String
        public typealias Failure = IOError

        /// What becomes of bytes that are not UTF-8.
        public enum InvalidText: Sendable {
            /// Each is replaced by U+FFFD.
            case repair
            /// The line is an error, `.invalidText`; the next line follows it.
            case fail
        }

        let descriptor: AsyncFD
        let maximumLength: Int
        let invalidText: InvalidText

        public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

        /// Reads on from where the stream is. For one task at a time.
        public struct Iterator: AsyncIteratorProtocol {
            let lines: Lines

            /// The next line; nil at the end of the stream.
            public func next(isolation actor: isolated (any Actor)? = #isolation) async throws(IOError) -> String? {
                try await lines.next()
            }

            /// The next line; nil at the end of the stream.
            public func next() async throws(IOError) -> String? { try await lines.next() }
        }

        fileprivate func next() async throws(IOError) -> String? {
            try await descriptor.reading { descriptor async throws(IOError) in
                var scanned = 0
                while true {
                    if let length = descriptor.input.lineFeed(from: scanned) { return try take(length, andEnd: 1) }
                    scanned = descriptor.input.count
                    if scanned > maximumLength + 1 { throw IOError("read", on: descriptor.label, .tooLong) }
                    guard try await descriptor.fillInput() else {
                        return scanned == 0 ? nil : try take(scanned, andEnd: 0)
                    }
                }
            }
        }

        /// The first `length` bytes are a line; `end` bytes of line feed follow.
        private func take(_ length: Int, andEnd end: Int) throws(IOError) -> String {
            let bytes = descriptor.input.bytes[..<length]
            let line = end == 1 && bytes.last == 0x0D ? bytes.dropLast() : bytes
            if line.count > maximumLength { throw IOError("read", on: descriptor.label, .tooLong) }
            defer { descriptor.input.consume(length + end) }
            switch invalidText {
            case .repair: return String(decoding: line, as: UTF8.self)
            case .fail:
                guard let text = String(validating: line, as: UTF8.self) else {
                    throw IOError("read", on: descriptor.label, .invalidText)
                }
                return text
            }
        }
    }
}

extension AsyncFD {
    /// The bytes of a stream. See `AsyncFD.bytes`.
    public struct Bytes: AsyncSequence, Sendable {
        public typealias Element = UInt8
        public typealias Failure = IOError

        let descriptor: AsyncFD

        public func makeAsyncIterator() -> Iterator { Iterator(descriptor: descriptor) }

        /// Reads on from where the stream is. For one task at a time.
        public struct Iterator: AsyncIteratorProtocol {
            let descriptor: AsyncFD

            /// The next byte; nil at the end of the stream.
            public func next(isolation actor: isolated (any Actor)? = #isolation) async throws(IOError) -> UInt8? {
                try await next()
            }

            /// The next byte; nil at the end of the stream.
            public func next() async throws(IOError) -> UInt8? {
                if descriptor.loop.isCurrent, !descriptor.isBeingRead, let byte = descriptor.input.takeByte() {
                    return byte
                }
                return try await descriptor.reading { descriptor async throws(IOError) in
                    if descriptor.input.isEmpty { _ = try await descriptor.fillInput() }
                    return descriptor.input.takeByte()
                }
            }
        }
    }
}
