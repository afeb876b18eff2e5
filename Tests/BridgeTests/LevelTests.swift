// Whose level counts: the backend's for the label, at any time, or that of a copy whose level was set.
import AsyncLog
import AsyncLogBridge
import EventLoop
import Logging
import Testing

@Suite("Levels of swift-log")
struct LevelTests {
    @Test(
        "a change of one logger's level or metadata does not reach its copies: the test that swift-log's documentation sets for handlers"
    )
    func valueSemantics() throws {
        _ = try records { backend in
            var logger1 = backend.logger("first logger")
            logger1.logLevel = .debug
            logger1[metadataKey: "only-on"] = "first"
            var logger2 = logger1
            logger2.logLevel = .error
            logger2[metadataKey: "only-on"] = "second"
            #expect(logger1.logLevel == .debug)
            #expect(logger2.logLevel == .error)
            #expect(logger1[metadataKey: "only-on"] == "first")
            #expect(logger2[metadataKey: "only-on"] == "second")
        }
    }

    @Test(
        "directives give each label its level, those of loggers to come included; a change at run time reaches loggers that exist"
    )
    func directives() throws {
        let all = try records(level: .info) { backend in
            let (http, pool) = (backend.logger("http"), backend.logger("db.pool"))
            http.debug("not yet")
            backend.apply(try Directives("warning,http=debug,db.*=error,late=trace"))
            #expect((http.logLevel, pool.logLevel) == (.debug, .error))
            http.debug("now")
            pool.warning("too low")
            backend.logger("late").trace("late")
            backend.logger("other").info("below the root's level")
            backend.level = .info
            backend.logger("other").info("not any more")
            backend.apply(try Directives("http=off"))
            http.critical("off")
        }
        #expect(all.map(\.message) == ["now", "late", "not any more"])
        #expect(all.map(\.logger) == ["http", "late", "other"])
    }

    @Test("a level that was set on a copy holds against the backend's, in both directions, and for that copy only")
    func ownLevel() throws {
        let all = try records(level: .warning) { backend in
            let logger = backend.logger("app")
            var (loud, quiet) = (logger, logger)
            loud.logLevel = .trace
            quiet.logLevel = .critical
            loud.trace("1")
            logger.info("below")
            quiet.error("below its own")
            backend.level = .critical
            loud.debug("2")
            await onThread { [loud] in loud.debug("3") }
            logger.error("below")
        }
        #expect(all.map(\.message) == ["1", "2", "3"])
    }

    @Test("a directive with fields lets in records because of their fields, whatever the level")
    func fieldDirectives() throws {
        let all = try records(level: .info) { backend in
            backend.apply(try Directives("info,db{user=7}=trace"))
            let logger = backend.logger("db")
            logger.trace("in", metadata: ["user": .stringConvertible(7)])
            logger.trace("out", metadata: ["user": .stringConvertible(8)])
        }
        #expect(all.map(\.message) == ["in"])
    }

    @Test("the level is read at each call: a library's logger, made long ago, follows")
    func existing() throws {
        let all = try records(level: .error) { backend in
            let logger = backend.logger("lib")
            for level in AsyncLog.Level.allCases {
                backend.level = level
                logger.log(level: .notice, "\(level)")
            }
        }
        #expect(all.map(\.message) == ["TRACE", "DEBUG", "INFO", "NOTICE"])
    }

    @Test("each of swift-log's levels is ours of the same name")
    func names() throws {
        let all = try records { backend in
            for level in Logging.Logger.Level.allCases { backend.logger("app").log(level: level, "\(level)") }
        }
        #expect(all.map(\.message) == Logging.Logger.Level.allCases.map(\.rawValue))
        #expect(all.map { "\($0.level.name)" } == Logging.Logger.Level.allCases.map(\.rawValue))
    }

    @Test("a task-local logger with merged metadata logs it, and the outer one does not")
    func taskLocal() throws {
        let all = try records { backend in
            withLogger(backend.logger("app")) { outer in
                withLogger(mergingMetadata: ["request": "7"]) { inner in
                    inner.info("inner")
                    Logging.Logger.current.info("current")
                }
                outer.info("outer")
            }
        }
        #expect(all.map(\.fields) == [["request": .text("7")], ["request": .text("7")], [:]])
    }

    @Test("a handler whose metadata provider is set afterwards uses it, without a warning in the log")
    func providerSetLater() throws {
        let all = try records { backend in
            var handler = backend.handler(label: "app", metadataProvider: nil)
            handler.metadataProvider = .init { ["p": "1"] }
            Logging.Logger(label: "app") { _ in handler }.info("m")
        }
        #expect(all.map(\.message) == ["m"])
        #expect(all[0].fields == ["p": .text("1")])
    }
}
