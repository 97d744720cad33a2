"""How good a release is: metrics of lists, intervals, what another policy would have earned, and the gate."""
