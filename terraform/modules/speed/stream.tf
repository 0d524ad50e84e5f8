# The stream of events, and the function that folds it. A record has events of one symbol, and the symbol is its partition
# key: the events of a symbol stay in order, however many shards there are.

locals {
  # Kinesis splits a batch that fails until the bad record is alone, and goes on after it.
  retries = 5
  # The events of a whole session can wait for a function that has failed all day.
  oldest_seconds = 6 * 3600
}

resource "aws_kinesis_stream" "events" {
  name             = var.stream
  retention_period = 24
  encryption_type  = "KMS"
  kms_key_id       = coalesce(var.kms_key_arn, "alias/aws/kinesis")

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

# Shard and sequence numbers of the records that could not be folded: the records are in the stream for a day.
resource "aws_sqs_queue" "failures" {
  name                      = "${var.name}-failures"
  message_retention_seconds = 14 * 86400
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "fold" {
  event_source_arn                   = aws_kinesis_stream.events.arn
  function_name                      = var.fold.arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = var.batches.records
  maximum_batching_window_in_seconds = var.batches.seconds
  parallelization_factor             = var.batches.parallel
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = local.retries
  maximum_record_age_in_seconds      = local.oldest_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failures.arn
    }
  }

  # Lambda checks the rights when the mapping is created.
  depends_on = [aws_iam_role_policy.function]
}
