"""What tests stand on: real servers on free ports, fakes, builders, patience."""
