"""The servers as a command sees them: where they are, what they are asked, what they refuse."""
