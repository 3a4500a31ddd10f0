/// The version of Dogsled; a coordinator and its workers must have the same.
public let dogsledVersion = "0.1.0"
