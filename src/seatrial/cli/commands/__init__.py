"""One file for each verb or noun of the command; imported when it runs, and not before."""
