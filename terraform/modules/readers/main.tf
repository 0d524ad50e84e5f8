# The read-only role for analysts.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account  = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"
  prefixes = ["quarantine/*", "raw-data/*", "raw-metadata/*", "silver/*", "state/*", "symbols/*"]
}

resource "aws_iam_role" "reader" {
  name        = "${var.name}-reader"
  description = "Reads the lake: for analysts"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = length(var.principals) > 0 ? var.principals : [local.account] }
    }]
  })
}

resource "aws_iam_role_policy" "reader" {
  name = "read"
  role = aws_iam_role.reader.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "List"
        Effect   = "Allow"
        Action   = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource = [var.bucket_arn]
      },
      {
        Sid      = "Read"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for prefix in local.prefixes : "${var.bucket_arn}/${prefix}"]
      },
      ], var.kms_key_arn == null ? [] : [{
        Sid      = "Decrypt"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.kms_key_arn]
    }])
  })
}
