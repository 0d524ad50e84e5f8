"""The HTTP interface on AWS: Lambda functions behind API Gateway, and what they share."""
