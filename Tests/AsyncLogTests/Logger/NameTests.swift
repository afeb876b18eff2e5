// Settings belong to a logger's name, whether or not a logger with that name exists at the moment.
import EventLoop
import TestSupport
import Testing

@testable import AsyncLog

@Suite("Names of loggers")
struct NameTests {
    @Test("two spellings of the same characters are two loggers, each with its own level")
    func bytes() throws {
        try onLoop {
            let memory = MemoryHandler()
            let root = Logger("app", handlers: [memory])
            let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
            root[composed].level = .debug
            #expect(root[composed].isEnabled(.debug) && !root[decomposed].isEnabled(.debug))
            let (first, second) = (root[composed], root[decomposed])
            second.level = .error
            #expect(first.level == .debug && second.level == .error)
            first.info("composed")
            second.error("decomposed")
            #expect(
                memory.records.map { Array($0.logger.utf8) } == [
                    Array("app.\(composed)".utf8), Array("app.\(decomposed)".utf8),
                ])
        }
    }

    @Test(
        "a logger without references is freed; the settings of its name, by hand, directive or pattern, are there when it is made again"
    )
    func comeBack() throws {
        try onLoop {
            let memory = MemoryHandler()
            let root = Logger("", handlers: [memory])
            root.apply(try Directives("info,db=debug,net.*=trace,job{user=7}=trace"))
            root["own"].level = .error
            let handler = MemoryHandler()
            root["handled"].add(handler)
            root["alone"].propagates = false
            root["filtered"].add(Filter { !($0.message == "no") })
            for label in 0..<10_000 { root["label\(label).part"].info("m") }
            #expect(root.core.tree.count <= LoggerFamily.limit + 1)
            memory.clear()
            #expect(root["own"].level == .error && root["own.below"].level == .error)
            #expect(root["db"].level == .debug && root["db.pool"].level == .debug)
            #expect(root["net"].level == .trace && root["net.tcp.in"].level == .trace && root["nets"].level == .info)
            root["job"].debug("user", ["user": 7])
            root["handled.below"].info("handled")
            root["alone.below"].info("alone")
            root["filtered"].info("no")
            #expect(!root["alone"].propagates && root["handled"].handlers.count == 1)
            #expect(memory.messages == ["user", "handled"] && handler.messages == ["handled"])
        }
    }

    @Test("a directive concerns those below its name even if no logger has that name")
    func nameWithoutLogger() throws {
        try onLoop {
            let root = Logger("app", handlers: [])
            root.apply(try Directives("app.net=debug,app.net.http.quiet=error"))
            #expect(root["net.http"].level == .debug && root["net.http.quiet.really"].level == .error)
            root["net.http"].level = .warning
            #expect(root["net.http.client"].level == .warning && root["net.tcp"].level == .debug)
            root.apply(try Directives("app.*=trace"))
            #expect(root["net.http"].level == .trace, "the last setting counts")
            root["net.http"].level = .critical
            root["net.http"].resetLevel()
            #expect(root["net.http"].level == .trace, "what is taken back is what was set by hand")
            root.apply(Directives())
            #expect(
                root["net.http"].level == .trace && root.level == .trace,
                "a root keeps the level that a directive gave it")
        }
    }

    @Test("the library's own logger is in its tree")
    func voice() {
        #expect(Handler.internalLogger.tree.effectiveLevel(of: Handler.internalLogger) == Level.trace.rawValue)
        #expect(Handler.internalLogger.tree.core("asynclog").core === Handler.internalLogger)
    }

    @Test("a name without settings takes no memory")
    func noPlace() throws {
        try onLoop {
            let root = Logger("", handlers: [])
            let settings = LoggerSettings()
            func path(_ name: String) -> [Substring.UTF8View] {
                name.utf8.split(separator: 46, omittingEmptySubsequences: false)
            }
            settings.change(path("a.b.c")[...]) { $0.level = 1 }
            settings.change(path("a.b")[...]) { $0.propagates = false }
            #expect(settings.chain(path("a.b.c")).count == 4)
            settings.change(path("a.b.c")[...]) { $0.level = nil }
            #expect(settings.chain(path("a.b.c")).count == 3)
            settings.change(path("a.b")[...]) { $0.propagates = true }
            #expect(settings.chain(path("a.b.c")).count == 1)
            root["x.y"].level = .debug
            root["x.y"].resetLevel()
            #expect(root["x.y"].level == .info)
        }
    }

    @Test("loggers without settings of their own share one route, so that a change of level makes one for all")
    func shared() throws {
        try onLoop {
            let root = Logger("", handlers: [MemoryHandler()])
            let loggers = (0..<1000).map { root["label\($0)"] }
            func routes() -> Int { Set(loggers.map { $0.core.route.toOpaque() }).count }
            #expect(routes() == 1)
            root.level = .debug
            #expect(routes() == 1 && loggers.allSatisfy { $0.isEnabled(.debug) })
            root["label7"].level = .error
            #expect(routes() == 2 && !loggers[7].isEnabled(.warning) && loggers[8].isEnabled(.debug))
        }
    }

    @Test("endless names are cut, with a mark; hundreds of thousands of parts take no time")
    func endless() throws {
        try onLoop {
            let memory = MemoryHandler()
            let root = Logger(String(repeating: "r", count: 5000), handlers: [memory])
            let child = root[String(repeating: "é.", count: 200_000)]
            child.level = .debug
            child.debug("m")
            #expect(child[String(repeating: "x", count: 5000)].name.utf8.count <= RecordLimits.nameLength)
            let name = try #require(memory.records.first?.logger)
            #expect(
                name.utf8.count <= RecordLimits.nameLength && name.hasSuffix(" bytes cut]")
                    && name.hasPrefix(root.name + ".é.é."))
            #expect(root.level == .info)
        }
    }

    @Test(
        "records that threads post while they release their loggers arrive in those loggers' names, and the loggers are freed"
    )
    func lettingGo() throws {
        try onLoop {
            let memory = MemoryHandler()
            let root = Logger("", handlers: [memory])
            let loop = EventLoop.current!
            try await withThrowingTaskGroup(of: Void.self) { group in
                for thread in 0..<4 {
                    group.addTask {
                        try await EventLoop.offload {
                            for number in 0..<2000 {
                                root["t\(thread).n\(number % 500)"].info("\(thread).\(number % 500)")
                                if number % 100 == 0 { root.level = number % 200 == 0 ? .debug : .info }
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await root.flush()
            let wrong = memory.records.filter { record in
                let parts = record.message.split(separator: ".")
                return record.logger != "t\(parts[0]).n\(parts[1])"
            }
            #expect(wrong.isEmpty && memory.records.count > 100)
            for _ in 0..<10 { await loop.catchUp() }
            await Task.yield()
            #expect(root.core.tree.count <= LoggerFamily.limit + 1, "\(root.core.tree.count)")
        }
    }
}
