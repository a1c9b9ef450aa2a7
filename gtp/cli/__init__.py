"""The command line: main builds the tree of verbs from train, evaluate and dataset."""
