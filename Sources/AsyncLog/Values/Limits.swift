// How large a record's parts may be. What is beyond is left out, with a mark in the record that says how much. The limits keep the work of one call bounded:
// no record of one task can hold up the others, and none can overflow the stack.

/// The limits on the parts of a record.
public enum RecordLimits {
    /// How many fields an object has, and a record of its own, of its logger, and of its scope. Of more the first ones are kept, and a field
    /// `fields_left_out` has the number of the others.
    public static let fields = 1024

    /// How deeply objects and lists are nested within a field's value. In place of what lies deeper stands the text `…[nested deeper than 64]`.
    public static let nesting = 64

    /// How many bytes of UTF-8 the full name of a logger has; the name of a root has half as many. A longer name is cut: `app.….…[4711 bytes cut]`.
    public static let nameLength = 512

    static let nestingMark: StaticString = "…[nested deeper than 64]"
    static let leftOutKey: StaticString = "fields_left_out"

    /// The name that a logger gets that is to be called `name`.
    static func limited(name: String, to limit: Int = nameLength) -> String {
        guard name.utf8.count > limit else { return name }
        var name = name
        return name.withUTF8 { utf8 in
            let kept = Text.boundary(utf8, limit - 32)  // room for the mark
            return String(decoding: utf8[..<kept], as: UTF8.self) + "…[\(utf8.count - kept) bytes cut]"
        }
    }
}
