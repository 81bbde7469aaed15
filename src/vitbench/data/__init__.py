"""From a source of images to the batches that every backend trains on."""
