/// Things that will happen, the soonest first; of those at one time the one that was added first.
struct EventQueue<Event> {
  /// Small and plain, so that the heap is quickly put in order.
  private struct Entry {
    let time: Duration
    let order: Int
    /// Where the event is in `events`.
    let slot: Int

    static func < (a: Entry, b: Entry) -> Bool { (a.time, a.order) < (b.time, b.order) }
  }

  /// A binary heap.
  private var heap: [Entry] = []
  private var events: [Event?] = []
  private var freeSlots: [Int] = []
  private var added = 0

  mutating func add(_ event: Event, at time: Duration) {
    let slot = freeSlots.popLast() ?? events.count
    if slot == events.count { events.append(event) } else { events[slot] = event }
    heap.append(Entry(time: time, order: added, slot: slot))
    added += 1
    var index = heap.count - 1
    while index > 0, heap[index] < heap[(index - 1) / 2] {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func next() -> (time: Duration, event: Event)? {
    guard let first = heap.first, let event = events[first.slot] else { return nil }
    events[first.slot] = nil
    freeSlots.append(first.slot)
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      guard least != index else { break }
      heap.swapAt(index, least)
      index = least
    }
    return (first.time, event)
  }
}
