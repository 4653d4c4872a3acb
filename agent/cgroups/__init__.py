"""A cgroup for each pod, under those of its quality of service, as the kubelet lays them out."""
