import Foundation
import TestSupport
import Testing

/// Names of verbs and options: the same for the same thing, and found where they are mistyped.
@Suite struct OptionTests {
  /// What each option's value is, whatever the verb.
  static let options: [String: String] = [
    "augment": "", "batch-size": "<batch-size>", "batches-per-update": "<u>", "brightness": "<b>",
    "chain": "<which>", "checkpoint-every": "<k>",
    "classes": "<a,b>", "compute": "<ms>", "csv": "", "join": "<token|host:port>", "json": "",
    "fill-mode": "<mode>", "height-shift": "<fraction>", "horizontal-flip": "", "keep-aspect": "",
    "rotation": "<degrees>", "shear": "<degrees>", "vertical-flip": "",
    "width-shift": "<fraction>", "zoom": "<z>",
    "count": "<count>", "data": "<data>", "html": "<page>", "kinds": "<kinds>",
    "best": "<measure>", "last": "", "smooth": "<f>", "split": "<t,v,e>", "worst": "<n>",
    "decode": "<decode>", "epochs": "<epochs>",
    "heartbeat": "<seconds>", "input-size": "<hxw>", "interpolation": "<interpolation>",
    "learning-rate": "<learning-rate>", "link": "<mbit>", "listen": "<host:port>",
    "model": "<file>", "network": "<name>", "fresh": "", "head": "<layer>", "freeze": "<layers>",
    "unfreeze-at": "<epochs>", "layer-rates": "<layers=factor>",
    "input-range": "<low..high>", "optimizer": "<name>", "momentum": "<fraction>", "nesterov": "",
    "centered": "", "beta-1": "<fraction>", "beta-2": "<fraction>",
    "decoupled-weight-decay": "<fraction>", "dropout": "<fraction>", "weight-decay": "<l2>",
    "schedule": "<name>", "decay-epochs": "<epochs>", "decay-factor": "<fraction>",
    "warm-up": "<epochs>", "scale-rate": "<how>", "early-stopping": "<epochs>",
    "label-smoothing": "<fraction>", "class-weights": "<weights>",
    "output": "<file>", "resume": "<run>", "rho": "<rho>", "run": "<run>", "seed": "<seed>",
    "steps-per-epoch": "<steps-per-epoch>", "test": "<test>", "threads": "<threads>",
    "train": "<train>", "updates": "<updates>",
    "validation": "<validation>", "validation-steps": "<validation-steps>",
    "cache": "<dir>", "cache-size": "<gb>", "key": "<file>",
    "token": "<host:port>", "token-file": "<file>",
    "verify": "<f>", "weights": "<what>", "workers": "<n>", "insecure": "", "once": "",
    "profile": "", "skip-unreadable": "", "version": "", "help": "",
  ]

  static let verbs = [
    ["prepare"], ["prepare", "as-book"], ["prepare", "folder"], ["sample"], ["train"],
    ["coordinator"], ["worker"], ["auto"], ["key"], ["check"], ["augment"], ["summary"],
    ["evaluate"],
    ["predict"], ["plot"], ["digest"], ["export"], ["bench", "step"], ["bench", "decode"],
    ["bench", "augment"],
    ["bench", "gradient"], ["bench", "cluster"],
  ]

  /// A new name goes into the table above, once it is sure that no verb has another for the thing.
  @Test(arguments: verbs) func everyOptionHasOneName(_ verb: [String]) throws {
    let help = try Command(verb + ["--help"], in: TemporaryFolder())
    #expect(help.status == 0)
    let listed = help.lines.filter { $0.hasPrefix("  -") }
    #expect(!listed.isEmpty)
    for line in listed {
      let match = try #require(line.firstMatch(of: /--([a-z0-9-]+)( <[^>]*>)?/))
      let value = match.2.map { String($0.dropFirst()) } ?? ""
      #expect(Self.options[String(match.1)] == value, "\(line)")
    }
  }

  @Test(
    "what is mistyped, or named as elsewhere, is suggested",
    arguments: [
      (["train", "--lr", "3", "x"], "Unknown option '--lr'. Did you mean '--learning-rate'?"),
      (["train", "--learning_rate=3", "x"], "Did you mean '--learning-rate'?"),
      (["train", "x", "--batch", "3"], "Did you mean '--batch-size'?"),
      (["bench", "step", "--batch", "3"], "Did you mean '--batch-size'?"),
      (["bench", "step", "--size", "3"], "Did you mean '--input-size'?"),
      (["train", "x", "--epoch", "3"], "Did you mean '--epochs'?"),
      (["train", "x", "--num-workers", "3"], "Did you mean '--workers'?"),
      (["train", "x", "--rotation_range", "3"], "Did you mean '--rotation'?"),
      (["train", "x", "--augmentation"], "Did you mean '--augment'?"),
      (["evaluate", "x", "y", "--thraeds", "3"], "Did you mean '--threads'?"),
      (["trian", "x"], "'trian' is no verb. Did you mean 'train'?"),
      (["summry"], "'summry' is no verb. Did you mean 'summary'?"),
      (["fit", "x"], "Did you mean 'train'?"), (["bench", "stpe"], "Did you mean 'step'?"),
      (["bake", "x"], "'bake' is no verb. There are prepare, sample, train,"),
    ])
  func suggested(_ arguments: [String], says: String) throws {
    let result = try Command(arguments, in: TemporaryFolder())
    #expect(result.status == 2)
    #expect(result.errorLines.count == 1)
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(result.errors.contains(" --help)"))
  }

  @Test(
    "nothing is suggested that the verb has not, or that is far away",
    arguments: [
      ["predict", "x", "y", "--lr", "3"], ["train", "x", "--loss", "mse"],
      ["train", "x", "--xyz"],
    ])
  func notSuggested(_ arguments: [String]) throws {
    let result = try Command(arguments, in: TemporaryFolder())
    #expect(result.status == 2)
    #expect(result.errors.contains("Unknown option '--"))
    #expect(!result.errors.contains("Did you mean"), "\(result.errors)")
  }
}
