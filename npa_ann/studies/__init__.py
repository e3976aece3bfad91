"""The studies: each reruns one published work and prints its tables beside ours."""
