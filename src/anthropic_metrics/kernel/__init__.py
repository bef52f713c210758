"""What every stream is built on: ranges, what to read now, names of ids, the frame of a bucket, counts."""
