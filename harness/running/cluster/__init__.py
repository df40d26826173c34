"""Running on a cluster: blocks travel as plain data to nodes that measure as this machine does.

`settings` reads the cluster file, `starting` starts a scheduler and workers or connects to them,
`executor` hands blocks to idle nodes, `task` is what Dask runs there, and `node` the process that
measures. `shipment` is what goes to a node, `outcomes` what comes back.
"""
