// The limits on a record's size. Parts beyond a limit are left out, with a mark in the record that states how much. The
// limits bound the work of one call: no record of one task can delay the others, and none can overflow the stack.

/// The limits on the parts of a record.
public enum RecordLimits {
    /// How many fields an object may have, and a record of its own, of its logger, and of its scope. Of more, the first
    /// ones are kept, and a field `fields_left_out` has the number of the others.
    public static let fields = 1024

    /// How deeply objects and lists may be nested within a field's value. The text `…[nested deeper than 64]` replaces
    /// deeper values.
    public static let nesting = 64

    /// How many bytes of UTF-8 the full name of a logger may have; the name of a root may have half as many. A longer
    /// name is cut: `app.….…[4711 bytes cut]`.
    public static let nameLength = 512

    static let nestingMark: StaticString = "…[nested deeper than 64]"
    static let leftOutKey: StaticString = "fields_left_out"

    /// Whether the name has been cut: all names below it are the same.
    static func isCut(_ name: String) -> Bool { name.utf8.count > nameLength - 32 && name.hasSuffix(cutMark) }

    private static let cutMark = " bytes cut]"

    /// The name, cut if it is longer than `limit`.
    static func limited(name: String, to limit: Int = nameLength) -> String {
        guard name.utf8.count > limit else { return name }
        var name = name
        return name.withUTF8 { utf8 in
            let kept = Text.boundary(utf8, limit - 32)  // room for the mark
            return String(decoding: utf8[..<kept], as: UTF8.self) + "…[\(utf8.count - kept)" + cutMark
        }
    }
}
