"""Everything that talks to the cluster: reads, writes, probes, reports. Decides nothing."""
