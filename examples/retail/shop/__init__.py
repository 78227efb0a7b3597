"""What a support agent of a shop may do, each as a function on an open transaction."""
