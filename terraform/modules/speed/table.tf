# The live bars: one item per symbol and session. DynamoDB deletes an item some hours after `expires_at`, so readers
# compare it with the time.

resource "aws_dynamodb_table" "live" {
  name             = var.table
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "symbol"
  range_key        = "session"
  stream_enabled   = true
  stream_view_type = "NEW_IMAGE"

  attribute {
    name = "symbol"
    type = "S"
  }

  attribute {
    name = "session"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without a customer's key: that of AWS for DynamoDB.
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
