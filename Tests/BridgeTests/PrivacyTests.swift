// Private values reach no handler.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Logging
import Testing

@Suite("Privacy of metadata")
struct PrivacyTests {
    private enum Sensitivity: Int64, Logging.Logger.MetadataValueAttributes.Attribute {
        case open = 1
        case secret = 2
    }

    @Test("a private value reaches no handler, wherever in the metadata it stands")
    func redaction() throws {
        let all = try lines(JSONFormatter(include: .message)) { backend in
            var logger = backend.logger(
                "app", metadataProvider: .init { ["provided": "\("s3cret", privacy: .private)"] })
            logger[metadataKey: "constant"] = "\("s3cret", privacy: .private)"
            logger.info(
                "m",
                metadata: [
                    "dictionary": ["inner": "\("s3cret", privacy: .private)"],
                    "list": ["\("s3cret", privacy: .private)", "open"],
                    "plain": "token \("s3cret", privacy: .private)",
                    "public": "\("open", privacy: .public)",
                    "built": .attributed("s3cret", attributes: [Privacy.private]),
                ])
        }
        #expect(
            all == [
                #"{"message":"m","constant":"<private>","provided":"<private>","built":"<private>","dictionary":{"inner":"<private>"},"#
                    + #""list":["<private>","open"],"plain":"<private>","public":"open"}"#
            ])
    }

    @Test("equal hashed values have equal marks that reveal nothing about the value")
    func hashing() throws {
        let all = try records { backend in
            let logger = backend.logger("app")
            for user in ["ann", "bob", "ann"] { logger.info("m", metadata: ["user": "\(user, privacy: .hashed)"]) }
        }
        let marks = all.map { $0.fields["user"] }
        #expect(marks[0] == marks[2] && marks[0] != marks[1])
        guard case .text(let mark) = marks[0] else {
            Issue.record("no mark")
            return
        }
        #expect(mark.hasPrefix("<private ") && !mark.contains("ann"))
    }

    @Test("of several pieces of one value the strictest decides, in whatever order they stand")
    func strictest() throws {
        let all = try records { backend in
            let logger = backend.logger("app")
            logger.info(
                "m",
                metadata: [
                    "a": "\("x", privacy: .private)\("y", privacy: .public)",
                    "b": "\("y", privacy: .public)\("x", privacy: .private)",
                ])
        }
        #expect(all[0].fields == ["a": .text("<private>"), "b": .text("<private>")])
    }

    @Test("other packages' attributes are mapped and enforced; without a mapping they classify and hide nothing")
    func otherAttributes() throws {
        let metadata: Logging.Logger.Metadata = [
            "open": .attributed("o", attributes: [Sensitivity.open]),
            "secret": .attributed("s", attributes: [Sensitivity.secret]),
            "both": .attributed("b", attributes: [Sensitivity.open, Privacy.private]),
        ]
        let mapped = try records(privacy: { $0[Sensitivity.self] == .secret ? .private : nil }) {
            $0.logger("app").info("m", metadata: metadata)
        }
        #expect(mapped[0].fields == ["both": .text("<private>"), "open": .text("o"), "secret": .text("<private>")])
        let unmapped = try records { $0.logger("app").info("m", metadata: metadata) }
        #expect(unmapped[0].fields == ["both": .text("<private>"), "open": .text("o"), "secret": .text("s")])
    }
}
