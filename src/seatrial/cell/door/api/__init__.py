"""The endpoints of a cell, front door and inner door."""
