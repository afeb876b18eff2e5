// R5: tasks that yield.

enum Yielding {
    static func spawn(_ count: Int) async {
        var elapsed: UInt64 = 0
        for round in [count / 10, count] {
            let start = nanoseconds()
            await withDiscardingTaskGroup { group in
                for _ in 0..<round { group.addTask { await Task.yield() } }
            }
            elapsed = nanoseconds() - start
        }
        Swift.print("ns=\(Double(elapsed) / Double(count)) peak_kb=\(memory("VmHWM"))")
    }

    static func yields(_ count: Int) async {
        let start = nanoseconds()
        await withDiscardingTaskGroup { group in
            for _ in 0..<1000 {
                group.addTask { for _ in 0..<count / 1000 { await Task.yield() } }
            }
        }
        Swift.print("ns=\(Double(nanoseconds() - start) / Double(count)) peak_kb=\(memory("VmHWM"))")
    }
}
