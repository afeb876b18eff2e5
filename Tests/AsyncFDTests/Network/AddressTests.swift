// How addresses are written and read.
import AsyncFD
import Testing

@Suite("Addresses")
struct AddressTests {
    @Test(
        "addresses read as they are written",
        arguments: [
            "127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:8080", "[::]:0", "[2001:db8::1]:443",
            "[fe80::1%1]:22", "/run/app.sock",
            "unix:app.sock", "@app", "@",
        ])
    func roundTrip(text: String) throws {
        let address = try #require(AsyncFD.Address(text))
        #expect(address.description == text)
        #expect(AsyncFD.Address(address.description) == address)
    }

    @Test(
        "what is no address is none",
        arguments: [
            "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "1.2.3:80",
            "1.2.3.4.5:80", "::1:80x", "[::1]",
            "[::1:80", "localhost:80", "/" + String(repeating: "x", count: 107),
            "@" + String(repeating: "x", count: 108), "[::1%nosuchinterface]:1",
        ])
    func noAddress(text: String) { #expect(AsyncFD.Address(text) == nil) }

    @Test("parts of an address")
    func parts() {
        #expect(AsyncFD.Address("127.0.0.1:80") == .ipv4(127, 0, 0, 1, port: 80))
        #expect(AsyncFD.Address("[::1]:80")?.port == 80)
        #expect(AsyncFD.Address("[::1]:80")?.with(port: 81).description == "[::1]:81")
        #expect(AsyncFD.Address("/run/x")?.path == "/run/x" && AsyncFD.Address("/run/x")?.port == nil)
        #expect(AsyncFD.Address("@x")?.path == nil)
    }
}
