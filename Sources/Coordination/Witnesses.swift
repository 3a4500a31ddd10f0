/// Answers to a unit that two workers compute, until two of them are equal.
struct Witnesses: Sendable {
  private(set) var answers: [Answer] = []

  /// Whether another process gave an equal answer.
  func confirm(_ answer: Answer) -> Bool {
    answers.contains { $0.digest == answer.digest && $0.process != answer.process }
  }

  /// Whether the same process gave an equal answer.
  func `repeat`(_ answer: Answer) -> Bool {
    answers.contains { $0.digest == answer.digest && $0.process == answer.process }
  }

  /// Whether a process answered something else before: then it makes errors, whoever is right.
  func contradict(_ answer: Answer) -> Bool {
    answers.contains { $0.process == answer.process && $0.digest != answer.digest }
  }

  /// Forgets what a process answered.
  mutating func remove(_ process: WorkerProcess) { answers.removeAll { $0.process == process } }

  mutating func append(_ answer: Answer) { answers.append(answer) }

  /// How often a process answered.
  func count(of process: WorkerProcess) -> Int { answers.count { $0.process == process } }

  /// Processes that answered something else.
  func against(_ answer: Answer) -> Set<WorkerProcess> {
    Set(answers.filter { $0.digest != answer.digest }.map(\.process))
  }

  /// Processes that came to no finite number.
  var withoutNumber: Set<WorkerProcess> { Set(answers.filter { !$0.isFinite }.map(\.process)) }

  /// Answers that are still wanted before it can be decided: two in all, or one more.
  var missing: Int { max(2 - answers.count, 1) }
}
