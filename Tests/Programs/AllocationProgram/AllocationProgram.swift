// Counts the allocations of a logger's calls, in a release build: there must be none.
//
//     swift run -c release AllocationProgram
import AsyncLog
import CountingMalloc
import EventLoop
import Glibc
import SystemPackage

@main
enum AllocationProgram {
    static let count = 20_000

    static func main() throws {
        let failures = try EventLoop.run { () -> Int in
            let null = AsyncFD(borrowing: FileDescriptor(rawValue: open("/dev/null", O_WRONLY)))
            var failures = 0
            for (name, handler) in [
                ("text", StreamHandler(null, formatter: TextFormatter())),
                ("json", StreamHandler(null, formatter: JSONFormatter())),
                ("logfmt", StreamHandler(null, formatter: LogfmtFormatter())),
                ("msgpack", StreamHandler(null, formatter: MessagePackFormatter())),
            ] as [(String, Handler)] {
                let logger = Logger("app", handlers: [handler])
                let bound = logger.with(["request": "0123456789abcdef", "user": 7])
                let path = String(repeating: "/path", count: 8)
                failures += check("\(name), literal") { _ in logger.info("Hello world !") }
                failures += check("\(name), interpolation") {
                    logger.info("request \($0) for \(path) took \(1.5) ms, \(true)")
                }
                failures += check("\(name), eight fields") { number in
                    logger.info(
                        "user logged in",
                        [
                            "id": number, "path": path, "ms": 0.1234567890123456, "ok": true,
                            "method": "GET" as StaticString,
                            "took": Duration.milliseconds(3), "size": UInt64(number), "missing": nil as Int?,
                        ])
                }
                failures += check("\(name), eight fields by a closure") { number in
                    logger.info("user logged in") { fields in
                        fields["id"] = number
                        fields["path"] = path
                        fields["ms"] = 0.1234567890123456
                        fields["ok"] = true
                        fields["method"] = "GET" as StaticString
                        fields["took"] = Duration.milliseconds(3)
                        fields["size"] = UInt64(number)
                        fields["missing"] = nil as Int?
                    }
                }
                failures += check("\(name), bound fields") { bound.info("served", ["number": $0]) }
                failures += check("\(name), disabled") { logger.debug("request \($0)", ["path": path]) }
            }
            return failures
        }
        exit(failures == 0 ? 0 : 1)
    }

    /// 1 if `body` allocates.
    @inline(never)
    static func check(_ name: String, _ body: (Int) -> Void) -> Int {
        for number in 0..<2000 { body(number) }  // buffers reach their size
        let before = counted_allocations()
        for number in 0..<count { body(number) }
        let allocations = counted_allocations() - before
        // The rest is the buffer's chunks: one for each 64 KiB of output, at the most.
        let isFree = allocations * 200 < UInt64(count)
        print("\(isFree ? "ok  " : "FAIL") \(name): \(allocations) allocations in \(count) calls")
        return isFree ? 0 : 1
    }
}
