"""Several processes that train and score one model: together they compute what one alone would.

Every process has a share of every batch. What depends on the whole batch sees the whole batch: the loss is of
all its logits, BatchNorm's statistics are of all its images, and dropout is drawn for all of them.
"""
