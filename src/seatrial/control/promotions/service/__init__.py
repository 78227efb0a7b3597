"""Plan, order, propose, commit and tell: the use cases of the switch on control's side."""
