"""The training of one level, and the engines that execute its steps."""
