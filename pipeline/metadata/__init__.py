"""Company metadata: the files with lists of companies, Polygon's reference API, and the periods that result."""
