# What the roles of the speed layer may do: the two functions, whose roles are made by modules/functions, and the producer.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  prefix  = "arn:${data.aws_partition.current.partition}"

  assumed_by = {
    for service in ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"] : service => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = service }
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      }]
    })
  }

  # What a session needs from the lake: symbols, sessions, the closes before, and for alerts the indicators.
  generation = ["raw-data/*", "silver/*", "state/current.json", "state/lake.json", "state/manifests/*", "state/sessions.parquet", "symbols/*"]
  reads = {
    fold     = ["live/*", "raw_events/*", "state/lake.json"]
    publish  = concat(local.generation, ["levels.csv", "live/*", "raw_events/*"])
    producer = concat(local.generation, ["live/*"])
  }
  writes = {
    fold     = ["raw_events/*"]
    publish  = ["live/*", "raw_events/*", "state/current.json"]
    producer = ["live/*", "state/lake.json", "state/sessions.parquet"]
  }
  # Live bars that newer ones replace, and leases that end: nothing that is part of a generation.
  deletes = {
    publish  = ["live/*"]
    producer = ["live/connections/*"]
  }
  lake = {
    for name in keys(local.reads) : name => concat(
      [
        { Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = [for one in local.reads[name] : "${var.bucket_arn}/${one}"] },
        { Sid = "Write", Effect = "Allow", Action = ["s3:PutObject"], Resource = [for one in local.writes[name] : "${var.bucket_arn}/${one}"] },
      ],
      [
        for prefixes in [lookup(local.deletes, name, [])] :
        { Sid = "Delete", Effect = "Allow", Action = ["s3:DeleteObject"], Resource = [for one in prefixes : "${var.bucket_arn}/${one}"] }
        if length(prefixes) > 0
      ],
    )
  }

  functions = {
    fold = concat(local.lake.fold, [
      {
        Sid      = "Stream"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = [aws_kinesis_stream.events.arn]
      },
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:PutItem"]
        Resource = [aws_dynamodb_table.live.arn]
      },
      {
        Sid      = "Failures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.failures.arn]
      },
    ])
    publish = concat(local.lake.publish, [
      {
        Sid      = "Table"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Scan"]
        Resource = [aws_dynamodb_table.live.arn]
      },
      {
        Sid      = "Alert"
        Effect   = "Allow"
        Action   = ["sns:Publish"]
        Resource = [aws_sns_topic.alerts.arn]
      },
    ])
  }
}

resource "aws_iam_role_policy" "function" {
  for_each = { fold = var.fold.role, publish = var.publish.role }

  name   = "live"
  role   = each.value
  policy = jsonencode({ Version = "2012-10-17", Statement = local.functions[each.key] })
}
