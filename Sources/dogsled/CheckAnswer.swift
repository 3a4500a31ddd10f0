import Engine
import Foundation
import Network
import Primitives
import Runs
import Training

/// What this machine says of itself where `dogsled check` asks it over ssh.
enum CheckAnswer {
  /// Reads the question from standard input, and prints the answer.
  /// - Throws: `Failure` where it is none.
  static func give() throws {
    // A terminal, or one who never answers, must not hold this process for ever.
    alarm(300)
    var lines: [String] = []
    while let line = readLine(), !line.isEmpty, lines.count < 100 { lines.append(line) }
    guard let question = HostQuestion(lines.joined(separator: "\n")) else {
      throw Failure(
        "--answer is what 'dogsled check' starts on other machines", status: .wrongUsage)
    }
    try emit(try answer(question).line)
  }

  /// This machine's row.
  /// - Parameter question: nil where nobody is to be reached.
  static func answer(_ question: HostQuestion?) throws -> HostAnswer {
    let kernels = try KernelSet.chosen()
    let seen = sender
    var (reached, problem, bits) = ([String](), "", Double?.none)
    if let question {
      for address in addresses(question, seen: seen) {
        do {
          bits = try LinkTrial.run(
            Endpoint(host: address, port: question.port), word: question.word,
            measuring: question.isWhole)
          reached.append(address)
          // Loopback is of use only where all hosts are one machine.
          if !isLoopback(address) { break }
        } catch {
          problem = "\(Endpoint(host: address, port: question.port)): \(error)"
        }
      }
    }
    return HostAnswer(
      version: dogsledVersion, architecture: ProgramFile.architecture, kernels: kernels.rawValue,
      cores: ThreadOptions.cores.usable, memory: AvailableMemory.now().bytes, seen: seen,
      reached: reached, problem: problem, bitsToHost: bits,
      probe: question?.isWhole == false ? nil : try probe(kernels))
  }

  /// The digest of what every machine must compute alike: the gradient of two drawn pictures.
  private static func probe(_ kernels: KernelSet) throws -> String {
    let threads = min(4, ThreadOptions.cores.usable)
    let probe = try Probe(
      .book(), Hyperparameters(), threads: threads, kernels: kernels)
    return probe.answer.gradient.description
  }

  /// What to try, the best first: where the ssh connection comes from, then what we were told.
  private static func addresses(_ question: HostQuestion, seen: String) -> [String] {
    if question.isAddressChosen { return question.addresses }
    let others = question.addresses.filter { $0 != seen }.prefix(Token.mostAddresses)
    return seen.isEmpty ? Array(others) : [seen] + others
  }

  /// Where our ssh connection comes from; empty where there is none.
  private static var sender: String {
    let words = ProcessInfo.processInfo.environment["SSH_CONNECTION"]?.split(separator: " ")
    return words?.first.map(String.init) ?? ""
  }

  static func isLoopback(_ address: String) -> Bool {
    let all = InternetAddress.resolve(address)
    return !all.isEmpty && all.allSatisfy(\.isLoopback)
  }
}
