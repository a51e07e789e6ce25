"""Data-parallel training whose results equal those of one process.

Loss, BatchNorm statistics and dropout masks are computed for the whole batch, which the processes share.
"""
