"""What a support agent of an airline may do, each as a function on an open transaction."""
