// A logger's settings beyond the level: handlers, filters, propagation, directives. All of them belong to the name, not
// to the copy.

extension Logger {
    /// Adds a handler: from now on, records of this logger and of the loggers below it go there, too. Any thread.
    ///
    /// - Precondition: the handler lives on the event loop of the logger's other handlers.
    public func add(_ handler: Handler) { core.tree.add(handler, to: core) }

    /// Removes a handler from this logger. The handler still writes the records that it has accepted. Any thread.
    public func remove(_ handler: Handler) { core.tree.remove(handler, from: core) }

    /// This logger's own handlers, without its ancestors'. Any thread.
    public var handlers: [Handler] { core.tree.handlers(of: core) }

    /// Adds a filter: records of this logger that it refuses go nowhere. As in Python, it does not see the records of
    /// loggers below. Any thread.
    ///
    ///     logger.add(Filter { $0.value("path")?.text != "/health" })
    public func add(_ filter: Filter) { core.tree.add(filter, to: core) }

    /// Removes this logger's filters. Any thread.
    public func removeFilters() { core.tree.removeFilters(of: core) }

    /// Whether records go to the ancestors' handlers, too. True by default. Any thread.
    public var propagates: Bool {
        get { core.tree.propagates(core) }
        nonmutating set { core.tree.setPropagates(newValue, of: core) }
    }

    /// Sets the levels of this logger's whole tree, of its present and its future loggers. Replaces directives that
    /// were applied before. Any thread, at any time.
    ///
    ///     logger.apply(try Directives("info,net.*=debug,db{user=7}=trace"))
    public func apply(_ directives: Directives) { core.tree.apply(directives) }
}
