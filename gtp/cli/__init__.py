"""The command line: main finds the verb in one of the other modules, each of which has a few."""
