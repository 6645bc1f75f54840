"""The cases of the suite, by what they are about."""
