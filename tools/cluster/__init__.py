"""A Kubernetes cluster on whatever machine this is: engine, binaries, node image, kind, our images."""
