mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = {
      arn = "arn:aws:s3:::any"
    }
  }
}

variables {
  bucket_name      = "any"
  may_be_destroyed = false
  require_tls      = true
}

run "protected" {
  assert {
    condition     = !aws_s3_bucket.lake.force_destroy && aws_s3_bucket_versioning.lake.versioning_configuration[0].status == "Enabled"
    error_message = "A lake with objects cannot be destroyed, and an overwritten object is kept as a version."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.lake[0].policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Requests over plain HTTP are refused."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.lake.block_public_acls,
      aws_s3_bucket_public_access_block.lake.block_public_policy,
      aws_s3_bucket_public_access_block.lake.ignore_public_acls,
      aws_s3_bucket_public_access_block.lake.restrict_public_buckets,
    ])
    error_message = "Nothing is public."
  }
}
