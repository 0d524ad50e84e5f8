# Alarms of the speed layer, each an expression of metrics per minute. Metrics of the session are those that `publish_live`
# logs once a minute while the market is open: outside of a session there are none, so that nothing can be silent.

locals {
  # As the functions log them (pipeline/handlers/live_metrics.py).
  live      = { environment = var.environment_name, market = var.market }
  fold      = { FunctionName = var.fold.name }
  published = { FunctionName = var.publish.name }
  table     = { TableName = aws_dynamodb_table.live.name }
  stream    = { StreamName = aws_kinesis_stream.events.name }

  # By the last part of the alarm's name. Metrics: namespace, name, statistic, dimensions. What is not stated is a default.
  alarms = {
    fold-errors = {
      description = "More than 5 % of the batches of events could not be folded: see the function's log."
      expression  = "100 * (errors + FILL(failures, 0)) / invocations"
      threshold   = 5
      period      = 300
      metrics = {
        errors      = ["AWS/Lambda", "Errors", "Sum", local.fold]
        failures    = ["StockStream", "FailedBatches", "Sum", local.live] # those of which the function reports a part
        invocations = ["AWS/Lambda", "Invocations", "Sum", local.fold]
      }
    }
    fold-age = {
      description = "The newest folded events are more than a minute old: the function is too slow, throttled, or repeats a batch that fails."
      expression  = "age"
      threshold   = 60000
      metrics     = { age = ["AWS/Lambda", "IteratorAge", "Maximum", local.fold] }
    }
    failures = {
      description = "Events were given up after ${local.retries} attempts: the queue ${aws_sqs_queue.failures.name} has the shard and the sequence numbers of the records, which the stream keeps for a day."
      expression  = "waiting"
      metrics     = { waiting = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", { QueueName = aws_sqs_queue.failures.name }] }
    }
    table-throttles = {
      description = "DynamoDB refused reads or writes of live bars: they are repeated, but late."
      expression  = "FILL(reads, 0) + FILL(writes, 0)"
      metrics = {
        reads  = ["AWS/DynamoDB", "ReadThrottleEvents", "Sum", local.table]
        writes = ["AWS/DynamoDB", "WriteThrottleEvents", "Sum", local.table]
      }
    }
    stream-throttles = {
      description = "Kinesis refused events of the producer: they are repeated, but late."
      expression  = "FILL(records, 0)"
      metrics     = { records = ["AWS/Kinesis", "PutRecords.ThrottledRecords", "Sum", local.stream] }
    }
    silent = {
      description = "No event for two minutes in a session: does the producer run, and does the vendor send?"
      expression  = "silence"
      threshold   = 120
      metrics     = { silence = ["StockStream", "SecondsSinceEvent", "Maximum", local.live] }
    }
    missed = {
      description = "For five minutes, bars lack shares that the feed reports and no event had: are the repairs refused?"
      expression  = "symbols"
      periods     = 5
      metrics     = { symbols = ["StockStream", "SymbolsWithMissed", "Minimum", local.live] }
    }
    alerts = {
      description = "An alert rule cannot be run, or an alert was not delivered for five minutes: see the function's log."
      expression  = "FILL(rules, 0) + FILL(undelivered, 0)"
      periods     = 5
      metrics = {
        rules       = ["StockStream", "AlertRuleErrors", "Maximum", local.live]
        undelivered = ["StockStream", "UndeliveredAlerts", "Maximum", local.live]
      }
    }
    not-published = {
      description = "Events are folded, but live bars and alerts have not been published for five minutes: see the function's log and its schedule."
      expression  = "IF(FILL(folded, 0) > 0 AND FILL(published, 0) - FILL(failed, 0) < 1, 1, 0)"
      periods     = 5
      metrics = {
        folded    = ["AWS/Lambda", "Invocations", "Sum", local.fold]
        published = ["AWS/Lambda", "Invocations", "Sum", local.published]
        failed    = ["AWS/Lambda", "Errors", "Sum", local.published]
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-live-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = lookup(each.value, "periods", 1)
  datapoints_to_alarm = lookup(each.value, "periods", 1)
  comparison_operator = "GreaterThanThreshold"
  threshold           = lookup(each.value, "threshold", 0)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]

  metric_query {
    id          = "alarm"
    label       = each.key
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value[0]
        metric_name = metric_query.value[1]
        stat        = metric_query.value[2]
        dimensions  = metric_query.value[3]
        period      = lookup(each.value, "period", 60)
      }
    }
  }
}
