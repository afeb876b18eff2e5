// The pipeline of `Logger.standard`: one for each loop.
import EventLoop

extension Pipeline {
    /// Records below warning go to standard output, the rest to standard error, on the current loop (outside of any: on
    /// the main loop).
    static var standard: Pipeline {
        guard let loop = EventLoop.current, loop !== EventLoop.main else { return mainStandard }
        return loop.local(Pipeline.self) { standard(on: loop) }
    }

    private static let mainStandard = standard(on: .main)

    private static func standard(on loop: EventLoop) -> Pipeline {
        Pipeline(loop: loop, handlers: .standardStreams(formatter: TextFormatter()))
    }
}
