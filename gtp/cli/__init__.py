"""The command line: main builds the tree of verbs from train, online, evaluate and dataset."""
