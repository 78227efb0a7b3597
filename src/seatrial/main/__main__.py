"""`python -m seatrial.main`: the command, for a supervisor that knows its interpreter only."""

from seatrial.main.command import main

if __name__ == "__main__":  # the catalogue of errors imports every module
    main()
