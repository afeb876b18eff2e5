// Foreign text in our lines: control characters in it are shown, and have no effect.

package enum VisibleText {
    /// The text on one line: control characters, and those that reorder text, are escaped (`\n`, `\u{1b}`), as the
    /// logger's formats escape a message.
    package static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: acts) else { return text }
        var line = ""
        for scalar in text.unicodeScalars {
            guard acts(scalar) else {
                line.unicodeScalars.append(scalar)
                continue
            }
            switch scalar {
            case "\t": line += "\\t"
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            default:
                let digits = String(scalar.value, radix: 16)
                line +=
                    "\\u{" + String(repeating: "0", count: max(0, (scalar.value > 0xFF ? 4 : 2) - digits.count))
                    + digits + "}"
            }
        }
        return line
    }

    /// True for characters that do something to a terminal, or to the order in which text is shown, instead of being
    /// shown.
    package static func acts(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
