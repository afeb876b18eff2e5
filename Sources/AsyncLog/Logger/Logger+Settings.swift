// A logger's settings beyond the level: handlers, filters, propagation, directives. All of them belong to the name, not to the copy.

extension Logger {
    /// Adds a handler. Records of this logger and of those below it go there, too, from now on. Any thread.
    ///
    /// - Precondition: the handler lives on the event loop on which the logger's other handlers live.
    public func add(_ handler: Handler) { core.tree.add(handler, to: core) }

    /// Takes a handler away from this logger. What it has accepted still goes out. Any thread.
    public func remove(_ handler: Handler) { core.tree.remove(handler, from: core) }

    /// This logger's own handlers, without its ancestors'. Any thread.
    public var handlers: [Handler] { core.tree.handlers(of: core) }

    /// Adds a filter: records of this logger that it refuses go nowhere. As in Python it does not concern the records of loggers below. Any thread.
    ///
    ///     logger.add(Filter { $0.value("path")?.text != "/health" })
    public func add(_ filter: Filter) { core.tree.add(filter, to: core) }

    /// Takes this logger's filters away. Any thread.
    public func removeFilters() { core.tree.removeFilters(of: core) }

    /// Whether records go to the ancestors' handlers, too. True until it is set. Any thread.
    public var propagates: Bool {
        get { core.tree.propagates(core) }
        nonmutating set { core.tree.setPropagates(newValue, of: core) }
    }

    /// Sets the levels of this logger's whole tree, of the loggers that there are and of those to come. They take the place of directives that were
    /// applied before. Any thread, at any time.
    ///
    ///     logger.apply(try Directives("info,net.*=debug,db{user=7}=trace"))
    public func apply(_ directives: Directives) { core.tree.apply(directives) }
}
