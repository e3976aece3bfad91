"""What uses several estimators: the recording report, block-by-block writing, batches."""
