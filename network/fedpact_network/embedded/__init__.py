"""The embedded node: endorser, sequencer, validator and committer of a channel in one process."""
