# The bucket of the lake. Unless may_be_destroyed is set, S3 refuses to delete it while it contains objects.

resource "aws_s3_bucket" "lake" {
  bucket        = var.bucket_name
  force_destroy = var.may_be_destroyed
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }

    bucket_key_enabled = var.kms_key_arn != null
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# The parts of a multipart upload have no conditions, so that only the request which creates the object is refused.
resource "aws_s3_bucket_policy" "lake" {
  bucket = aws_s3_bucket.lake.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      !var.require_tls ? [] : [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.lake.arn, "${aws_s3_bucket.lake.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      [
        {
          Sid       = "NeverReplaced"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:PutObject"
          Resource  = [for prefix in ["damaged", "paper", "raw-data", "raw_events", "serving", "silver", "state/manifests"] : "${aws_s3_bucket.lake.arn}/${prefix}/*"]
          Condition = {
            Null = { "s3:if-none-match" = "true" }
            Bool = { "s3:ObjectCreationOperation" = "true" }
          }
        },
        {
          Sid       = "ReplacedByItsReader"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:PutObject"
          Resource  = [for prefix in ["live", "quarantine", "raw-metadata", "state", "symbols"] : "${aws_s3_bucket.lake.arn}/${prefix}/*"]
          Condition = {
            Null = { "s3:if-none-match" = "true", "s3:if-match" = "true" }
            Bool = { "s3:ObjectCreationOperation" = "true" }
          }
        },
      ],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.lake]
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    id     = "noncurrent-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  rule {
    id     = "old-raw-files"
    status = "Enabled"

    filter {
      prefix = "raw-data/"
    }

    transition {
      days          = 30
      storage_class = "INTELLIGENT_TIERING"
    }
  }

  # Live bars are replaced every minute, and a batch bar follows: no need to keep their versions for a month.
  rule {
    id     = "live"
    status = "Enabled"

    filter {
      prefix = "live/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  # Serving files are made of a generation, and can be made again.
  rule {
    id     = "serving"
    status = "Enabled"

    filter {
      prefix = "serving/"
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  # Raw events are arranged by symbol after the session, as files in days/. The year begins with 2: the view needs an
  # object without events, whose date is 0001-01-01.
  rule {
    id     = "arrivals"
    status = "Enabled"

    filter {
      prefix = "raw_events/arrivals/date=2"
    }

    expiration {
      days = 30
    }

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  rule {
    id     = "old-raw-events"
    status = "Enabled"

    filter {
      prefix = "raw_events/days/date=2"
    }

    transition {
      days          = 30
      storage_class = "GLACIER_IR"
    }
  }

  rule {
    id     = "athena-results"
    status = "Enabled"

    filter {
      prefix = "athena-results/"
    }

    expiration {
      days = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.lake]
}
