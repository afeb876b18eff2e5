// Names, levels, handlers and filters, as users of Python's logging expect them.
import AsyncLog
import EventLoop
import Glibc
import TestSupport
import Testing

@Suite("Trees of loggers")
struct TreeTests {
    @Test("a child has its parent's level until it has its own, and gets it back")
    func levels() throws {
        try onLoop {
            let logger = Logger("app", level: .warning, handlers: [MemoryHandler()])
            let child = logger["db"]["pool"]
            #expect(child.name == "app.db.pool")
            #expect(!child.isEnabled(.info) && child.isEnabled(.warning))
            logger["db"].level = .debug
            #expect(child.level == .debug && child.isEnabled(.debug) && !logger.isEnabled(.debug))
            child.level = .error
            logger["db"].level = .trace
            #expect(child.level == .error)
            child.resetLevel()
            #expect(child.level == .trace)
            #expect(logger["db.pool"].level == .trace)
        }
    }

    @Test("records go to the handlers of all ancestors, once each, unless propagation ends")
    func propagation() throws {
        try onLoop {
            let (top, middle, own) = (MemoryHandler(), MemoryHandler(), MemoryHandler())
            let logger = Logger("app", handlers: [top])
            let child = logger["a.b"]
            logger["a"].add(middle)
            child.add(own)
            child.add(top)
            child.info("one")
            #expect([top, middle, own].map(\.messages) == [["one"], ["one"], ["one"]])
            logger["a"].propagates = false
            child.info("two")
            #expect(top.messages == ["one", "two"], "it is the child's own handler, too")
            child.remove(top)
            child.info("three")
            #expect(top.messages.count == 2 && middle.messages.count == 3 && own.messages.count == 3)
            logger.info("four")
            #expect(top.messages.last == "four" && middle.messages.count == 3)
        }
    }

    @Test("a logger's filter concerns its own records only, a handler's filter all that come to it")
    func filters() throws {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory])
            logger.add(Filter { $0.value("path")?.text != "/health" })
            logger.info("a", ["path": "/health"])
            logger.info("b", ["path": "/"])
            logger["child"].info("c", ["path": "/health"])
            #expect(memory.messages == ["b", "c"])
            logger.removeFilters()
            memory.add(!.name("app.child"))
            memory.add(.levels(.info ... .warning))
            memory.add(.field("n", "7"))
            logger.info("d", ["n": 7])
            logger["child.deep"].info("e", ["n": 7])
            logger["childish"].info("f", ["n": 7])
            logger.error("g", ["n": 7])
            logger.info("h", ["n": "8"])
            #expect(memory.messages == ["b", "c", "d", "f"])
        }
    }

    /// Changes its logger's settings while a record is on its way.
    private final class Meddler: Handler, @unchecked Sendable {
        var logger: Logger?
        override func handle(_ record: borrowing Record) throws {
            logger?.level = .info
            logger?.add(Filter { _ in true })
            logger?.remove(self)
        }
    }

    @Test("a handler that changes the settings while a record is on its way does not change that record's route")
    func settingsFromWithin() throws {
        try onLoop {
            let (meddler, memory) = (Meddler(), MemoryHandler())
            let logger = Logger("app", handlers: [meddler, memory])
            meddler.logger = logger
            for number in 0..<100 {
                logger.info("\(number)")
                logger.add(meddler)
            }
            #expect(memory.messages == (0..<100).map(String.init))
            meddler.logger = nil
        }
    }

    @Test(
        "a change of the level that another thread has made, and the loop has not seen yet, does not take a later one back"
    )
    func laterChangeCounts() throws {
        try onLoop {
            let memory = MemoryHandler()
            let logger = Logger("app", handlers: [memory])
            pthread_join(try runThread { logger.level = .error }, nil)
            logger.level = .debug
            try await logger.flush()
            #expect(logger.isEnabled(.debug))
            logger.nowait.debug("after both changes")
            #expect(memory.messages == ["after both changes"])
        }
    }

    @Test("a handler that another thread has removed stays removed, whatever the loop adds meanwhile")
    func laterHandlersCount() throws {
        try onLoop {
            let (first, second, third) = (MemoryHandler(), MemoryHandler(), MemoryHandler())
            let logger = Logger("app", handlers: [first, second])
            pthread_join(try runThread { logger.remove(first) }, nil)
            logger.add(third)
            try await logger.flush()
            logger.nowait.info("m")
            #expect(first.messages == [] && second.messages == ["m"] && third.messages == ["m"])
        }
    }

    @Test("records that other threads have logged outlive the last logger of their tree")
    func recordsOutliveLoggers() throws {
        try onLoop {
            let memory = MemoryHandler()
            try await EventLoop.offload {
                for number in 0..<100 {
                    let logger = Logger("app\(number)", handlers: [memory])
                    logger["child"].info("\(number)", ["number": number])
                }
            }
            #expect(memory.messages == (0..<100).map(String.init))
            #expect(memory.records.last?.logger == "app99.child")
        }
    }

    @Test("a handler's level and a range of levels hold beside the logger's")
    func handlerLevels() throws {
        try onLoop {
            let (low, high) = (MemoryHandler(levels: .trace ... .notice), MemoryHandler())
            high.level = .warning
            let logger = Logger("app", level: .trace, handlers: [low, high])
            for level in Level.allCases { logger.log(level, "\(level.name)") }
            #expect(low.messages == ["trace", "debug", "info", "notice"])
            #expect(high.messages == ["warning", "error", "critical"])
        }
    }
}

@Suite("Directives")
struct DirectiveTests {
    @Test("directives set levels for the root, for names, patterns and fields, for present and future loggers")
    func apply() throws {
        try onLoop {
            let memory = MemoryHandler()
            let root = Logger("", level: .error, handlers: [memory])
            let before = root["net.http"]
            root.apply(
                try Directives("info, net.*=debug ,db=warning,db{user=7,kind=\"a,b\"}=trace,*.cache=off,db.pool=error"))
            #expect(root.level == .info)
            #expect(before.isEnabled(.debug) && root["net"].isEnabled(.debug) && root["net.tcp.in"].isEnabled(.debug))
            #expect(!root["nets"].isEnabled(.debug) && root["nets"].isEnabled(.info))
            #expect(!root["web.cache"].isEnabled(.critical))
            #expect(root["db.pool"].level == .error)
            root["db"].debug("no", ["user": 7])
            root["db"].debug("yes", ["user": 7, "kind": "a,b"])
            root["db.pool"].with(["user": "7", "kind": "a,b"]).trace("yes, bound, below")
            root["db"].debug("no", ["user": 8, "kind": "a,b"])
            root["db"].warning("yes, by its level")
            #expect(memory.messages == ["yes", "yes, bound, below", "yes, by its level"])
            root.apply(try Directives("db=info"))
            root["db"].trace("no more", ["user": 7, "kind": "a,b"])
            #expect(memory.messages.count == 3 && root["db"].level == .info && root.level == .info)
        }
    }

    @Test(
        "a malformed directive is an error that points at the place",
        arguments: [
            ("tarce", 0..<5, "is not a level"), ("info,db=tarce", 8..<13, "is not a level"),
            ("db=", 3..<3, "a level is missing"),
            ("info,=debug,,{}=info", 14..<15, "the name of a field is missing"),
            ("db{user=7=trace", 2..<3, "not closed"),
            ("db{user}=trace", 7..<8, "a value are missing"), ("db{user=7}", 10..<11, "\"=\" and a level are missing"),
            ("db{user=\"7}=trace", 8..<9, "quotation mark is not closed"), ("ünï=x", 6..<7, "is not a level"),
            ("a=info}", 2..<7, "is not a level"),
        ])
    func malformed(text: String, range: Range<Int>, reason: String) throws {
        let error = try #require(throws: DirectiveError.self) { try Directives(text) }
        #expect(error.range == range)
        #expect(error.reason.contains(reason), "\(error.reason)")
        #expect(error.description.contains("^"))
    }

    @Test("an error's description marks the place below the text")
    func description() throws {
        let error = try #require(throws: DirectiveError.self) { try Directives("info,db=tarce") }
        #expect(
            error.description.split(separator: "\n").dropFirst().joined(separator: "\n")
                == "info,db=tarce\n        ^^^^^")
    }

    @Test("an empty text, blanks and empty directives set nothing", arguments: ["", " ", ",", " , ,, "])
    func empty(text: String) throws { _ = try Directives(text) }

    @Test("an environment variable is read on demand; one that is not set sets nothing")
    func environment() throws { _ = try Directives.environment("NO_SUCH_VARIABLE_IN_ANY_ENVIRONMENT") }
}
