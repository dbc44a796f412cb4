package integrations

// ChooseFlow is chooseFlow, for its table.
var ChooseFlow = chooseFlow
