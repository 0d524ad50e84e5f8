"""Company metadata: the files that tell of companies, what Polygon tells, and the periods that it all comes to."""
