import Runs
import Testing

@Suite struct HyperparameterTests {
  @Test func `Every wrong value has a line of its own`() throws {
    var wrong = Hyperparameters()
    wrong.epochs = 0
    wrong.rho = 1
    wrong.learningRate = -1
    let error = #expect(throws: HyperparameterError.self) { try wrong.validate() }
    #expect(error?.problems.count == 3)
    #expect(error?.problems.first?.contains("--epochs") == true)
  }

  @Test func `A batch larger than a set is refused`() throws {
    let book = Hyperparameters()
    try book.validate(trainingPictures: 20)
    let error = #expect(throws: HyperparameterError.self) {
      try book.validate(trainingPictures: 19)
    }
    #expect(error?.description.contains("choose at most 19") == true)
  }
}
