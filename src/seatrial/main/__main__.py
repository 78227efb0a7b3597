"""`python -m seatrial.main`: the command, for a supervisor that knows its interpreter only."""

from seatrial.main.command import main

main()
