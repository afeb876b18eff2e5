// Messages: which values are interpolated, and how.
import AsyncLog
import Testing

@Suite("Messages")
struct MessageTests {
    private func message(_ make: @escaping @Sendable () -> LogMessage) throws -> String {
        let inCall = try records { logger in await logger.info(make()) }[0].message
        let ahead = make()
        let before = try records { logger in await logger.info(ahead) }[0].message
        #expect(inCall == before, "a message that was made ahead of the call differs")
        return inCall
    }

    @Test("values of all kinds are interpolated")
    func values() throws {
        #expect(try message { "plain" } == "plain")
        #expect(try message { "" } == "")
        #expect(
            try message {
                "\(1) \(-2) \(UInt64.max) \(Int8.min) \(true) \("text") \("sub"[...]) \(2.5) \(1.0) \(Float(0.1))"
            }
                == "1 -2 18446744073709551615 -128 true text sub 2.5 1.0 0.1")
        #expect(
            try message { "\(Duration.microseconds(1500)) \([1, 2]) \(Optional<Int>.none as Any)" }
                == "1.5ms [1, 2] nil")
    }

    @Test("integers of every length, and decimals, are those that Swift writes")
    func digits() throws {
        var numbers: [Int] = [0, .max, .min]
        var power = 1
        while power < Int.max / 10 {
            numbers += [power - 1, power, power + 1, power * 3 + 7, -power, 1 - power]
            power *= 10
        }
        let integers = numbers
        let decimals = stride(from: 0, to: 1_000_000, by: 997).map { Double($0) / 1000 }
        let written = try records { logger in
            for number in integers { logger.info("\(number) \(number.magnitude)") }
            for number in decimals { logger.info("\(number)") }
        }
        #expect(written.map(\.message) == integers.map { "\($0) \($0.magnitude)" } + decimals.map { "\($0)" })
        #expect(
            try message { "\(0.000123) \(12.000001) \(99999999.5) \(-7.25)" } == "0.000123 12.000001 99999999.5 -7.25")
    }

    @Test("number formats are applied")
    func formats() throws {
        #expect(
            try message { "\(255, format: .hex) \(255, format: .hex(minimumDigits: 4, uppercase: true, prefix: true))" }
                == "ff 0x00FF")
        #expect(
            try message { "\(-255, format: .hex(prefix: true)) \(8, format: .octal) \(5, format: .binary)" }
                == "-0xff 10 101")
        #expect(
            try message { "\(7, format: .decimal(minimumDigits: 3)) \(Int64.min, format: .decimal)" }
                == "007 -9223372036854775808")
        #expect(
            try message { "\(3.14159, format: .fixed(2)) \(0.005, format: .fixed(2)) \(-0.001, format: .fixed(2))" }
                == "3.14 0.01 0.00")
        #expect(
            try message { "\(999.995, format: .fixed(2)) \(1e21, format: .fixed(1)) \(1.5e-7, format: .fixed(3))" }
                == "1000.00 1000000000000000000000.0 0.000")
        #expect(
            try message { "\(2.5, format: .fixed(0)) \(0.5, format: .fixed(0)) \(9.99, format: .fixed(1))" }
                == "3 1 10.0")
        #expect(try message { "\(Double.infinity, format: .fixed(2)) \(Double.nan, format: .fixed(2))" } == "inf nan")
        #expect(
            try message { "\(0.06, format: .fixed(1)) \(0.04, format: .fixed(1)) \(0.96, format: .fixed(1))" }
                == "0.1 0.0 1.0")
    }

    @Test("alignment counts characters, not bytes")
    func alignment() throws {
        #expect(
            try message { "[\("é", align: .left(3))][\(7, align: .right(3))][\("long", align: .right(2))]" }
                == "[é  ][  7][long]")
        #expect(
            try message { "[\(255, format: .hex, align: .right(5))][\(1.5, format: .fixed(2), align: .left(6))]" }
                == "[   ff][1.50  ]")
    }

    @Test("a private value stays out of the log, whatever its type")
    func privacy() throws {
        #expect(
            try message {
                "\("secret", privacy: .private) \(42, privacy: .private) \(42, format: .hex, privacy: .private)"
            }
                == "<private> <private> <private>")
        let hashed = try message {
            "\("secret", privacy: .hashed) \("secret", privacy: .hashed) \("other", privacy: .hashed)"
        }
        let words = hashed.split(separator: ">").map { $0.trimmingPrefix(" ") }
        #expect(words.count == 3 && words[0] == words[1] && words[0] != words[2])
        #expect(!hashed.contains("secret"))
        let record = try records { await $0.info("m", ["token": .private("secret"), "user": .hashed(7), "open": 1]) }[0]
        #expect(record.fields["token"] == .text("<private>"))
        guard case .text(let text) = record.fields["user"] else { return }
        #expect(text.hasPrefix("<private ") && text.count > 12)
        #expect(record.fields["open"] == .int(1))
    }
}
