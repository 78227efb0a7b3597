"""Sessions, memory, the shared blackboard and retrieval indexes of one environment."""
