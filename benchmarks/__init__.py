"""One script for each figure that the README quotes, and the judge that they share."""
