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
  kms_key_arn      = null
}

run "protected" {
  assert {
    condition     = !aws_s3_bucket.lake.force_destroy && aws_s3_bucket_versioning.lake.versioning_configuration[0].status == "Enabled"
    error_message = "A lake with objects cannot be destroyed, and an overwritten object is kept as a version."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.lake.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
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
  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.lake.policy).Statement :
      "${statement.Sid}: ${join(", ", sort(keys(statement.Condition.Null)))} on ${join(" ", statement.Resource)}"
      if can(statement.Condition.Null) && statement.Effect == "Deny"
      ] == [
      "NeverReplaced: s3:if-none-match on arn:aws:s3:::any/damaged/* arn:aws:s3:::any/raw-data/* arn:aws:s3:::any/raw_events/* arn:aws:s3:::any/silver/* arn:aws:s3:::any/state/manifests/*",
      "ReplacedByItsReader: s3:if-match, s3:if-none-match on arn:aws:s3:::any/live/* arn:aws:s3:::any/quarantine/* arn:aws:s3:::any/raw-metadata/* arn:aws:s3:::any/state/* arn:aws:s3:::any/symbols/*",
    ]
    error_message = "Files that a manifest names are never replaced, and nothing is replaced unread."
  }

  assert {
    condition = {
      for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.id => one(rule.noncurrent_version_expiration).noncurrent_days
      if length(rule.noncurrent_version_expiration) > 0
    } == { noncurrent-versions = 30, live = 1, arrivals = 1 }
    error_message = "What is overwritten is kept for a month, live bars and arrivals for a day."
  }
}

run "a_key_of_the_customer" {
  variables {
    require_tls = false
    kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/any"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.lake.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    error_message = "Objects are encrypted with the customer's key."
  }

  assert {
    condition     = !contains([for statement in jsondecode(aws_s3_bucket_policy.lake.policy).Statement : statement.Sid], "TlsOnly")
    error_message = "Loopback has no TLS."
  }
}
