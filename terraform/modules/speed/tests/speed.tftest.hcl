mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "123456789012"
    }
  }

  mock_data "aws_partition" {
    defaults = {
      partition = "aws"
    }
  }

  mock_data "aws_region" {
    defaults = {
      name = "ap-southeast-2"
    }
  }

  mock_data "aws_vpc" {
    defaults = {
      id = "vpc-default"
    }
  }

  mock_data "aws_subnets" {
    defaults = {
      ids = ["subnet-1", "subnet-2"]
    }
  }

  mock_resource "aws_kinesis_stream" {
    defaults = {
      arn = "arn:aws:kinesis:ap-southeast-2:123456789012:stream/any"
    }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn = "arn:aws:dynamodb:ap-southeast-2:123456789012:table/any"
    }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:ap-southeast-2:123456789012:any"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = {
      arn = "arn:aws:sns:ap-southeast-2:123456789012:alerts"
    }
  }

  mock_resource "aws_iam_role" {
    defaults = {
      arn = "arn:aws:iam::123456789012:role/any"
    }
  }

  mock_resource "aws_ecr_repository" {
    defaults = {
      arn = "arn:aws:ecr:ap-southeast-2:123456789012:repository/any"
    }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = {
      arn = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/any:1"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = {
      arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:any"
    }
  }
}

variables {
  name                      = "stockstream-test"
  stream                    = "stockstream-test-events"
  table                     = "stockstream-test-live"
  topic                     = "stockstream-test-alerts"
  environment_name          = "test"
  environment               = { STOCKSTREAM_LAKE = "s3://any", STOCKSTREAM_MARKET = "ASX" }
  market                    = "ASX"
  bucket                    = "any"
  bucket_arn                = "arn:aws:s3:::any"
  batches                   = { records = 10000, seconds = 5, parallel = 1 }
  schedule_enabled          = true
  alarm_topic_arn           = "arn:aws:sns:ap-southeast-2:123456789012:alarms"
  producer                  = { image = "any/producer:1", source = "polygon", linger = 5, cpu = 256, memory = 1024 }
  network                   = { vpc_id = null, subnet_ids = null, public_ip = true }
  polygon_api_key_parameter = "/stockstream/polygon"
  architecture              = "arm64"
  log_retention_days        = 30
  athena_scan_limit_gb      = 1
  kms_key_arn               = null

  fold = {
    arn  = "arn:aws:lambda:ap-southeast-2:123456789012:function:fold"
    name = "fold"
    role = "fold"
  }
  publish = {
    arn  = "arn:aws:lambda:ap-southeast-2:123456789012:function:publish"
    name = "publish"
    role = "publish"
  }
  sender_role_arns = ["arn:aws:iam::123456789012:role/publish", "arn:aws:iam::123456789012:role/send"]
  alert_subscriptions = [
    { protocol = "email", endpoint = "a@example.org", filter = {} },
    { protocol = "sms", endpoint = "+61400000000", filter = { severity = ["critical"] } },
  ]
}

run "events" {
  assert {
    condition = (
      one(aws_kinesis_stream.events.stream_mode_details).stream_mode == "ON_DEMAND"
      && aws_kinesis_stream.events.encryption_type == "KMS" && aws_kinesis_stream.events.kms_key_id == "alias/aws/kinesis"
    )
    error_message = "The stream is encrypted, and has as many shards as it needs."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.fold.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.fold.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.fold.maximum_retry_attempts == 5
      && aws_lambda_event_source_mapping.fold.maximum_record_age_in_seconds < 3600 * aws_kinesis_stream.events.retention_period
      && one(one(aws_lambda_event_source_mapping.fold.destination_config).on_failure).destination_arn == aws_sqs_queue.failures.arn
    )
    error_message = "A record that cannot be folded is found, given up before the stream forgets it, and reported."
  }

  assert {
    condition = (
      aws_dynamodb_table.live.hash_key == "symbol" && aws_dynamodb_table.live.range_key == "session"
      && one(aws_dynamodb_table.live.ttl).attribute_name == "expires_at" && one(aws_dynamodb_table.live.ttl).enabled
      && one(aws_dynamodb_table.live.point_in_time_recovery).enabled
      && one(aws_dynamodb_table.live.server_side_encryption).enabled
      && aws_dynamodb_table.live.stream_view_type == "NEW_IMAGE"
    )
    error_message = "The table has the keys of the functions, expires, can be restored, and is encrypted."
  }
}

run "alarms" {
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${one([for query in alarm.metric_query : query.expression if query.id == "alarm"])} > ${alarm.threshold}, ${alarm.evaluation_periods} × ${one(distinct(flatten([for query in alarm.metric_query : [for metric in query.metric : metric.period]])))} s"
      } == {
      alerts           = "FILL(rules, 0) + FILL(undelivered, 0) > 0, 5 × 60 s"
      failures         = "waiting > 0, 1 × 60 s"
      fold-age         = "age > 60000, 1 × 60 s"
      fold-errors      = "100 * (errors + FILL(failures, 0)) / invocations > 5, 1 × 300 s"
      missed           = "symbols > 0, 5 × 60 s"
      not-published    = "IF(FILL(folded, 0) > 0 AND FILL(published, 0) - FILL(failed, 0) < 1, 1, 0) > 0, 5 × 60 s"
      silent           = "silence > 120, 1 × 60 s"
      stream-throttles = "FILL(records, 0) > 0, 1 × 60 s"
      table-throttles  = "FILL(reads, 0) + FILL(writes, 0) > 0, 1 × 60 s"
    }
    error_message = "What raises an alarm."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : startswith(alarm.alarm_name, "stockstream-test-") && alarm.alarm_actions == toset([var.alarm_topic_arn])])
    error_message = "The topic of the alarms takes messages of alarms with this prefix only."
  }
}

run "producer" {
  assert {
    condition = (
      aws_ecs_service.producer[0].deployment_maximum_percent == 100
      && aws_ecs_service.producer[0].deployment_minimum_healthy_percent == 0
    )
    error_message = "Never two tasks: the vendor allows one connection."
  }

  assert {
    condition = (
      one(aws_ecs_service.producer[0].network_configuration).subnets == toset(["subnet-1", "subnet-2"])
      && aws_security_group.producer.vpc_id == "vpc-default"
      && aws_vpc_security_group_egress_rule.producer.to_port == 443
    )
    error_message = "By default in the default VPC, and without a rule for what comes in."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.producer[0].container_definitions)[0].command == ["stream", "--source", "polygon", "--to", "kinesis:stockstream-test-events", "--linger", "5", "--wait"]
    error_message = "It streams into Kinesis."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.producer[0].container_definitions)[0].secrets == [{ name = "MASSIVE_API_KEY", valueFrom = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/stockstream/polygon" }]
    error_message = "The key comes from SSM, and is nowhere in the configuration."
  }

  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.producer[0].container_definitions)[0].readonlyRootFilesystem
      && length(jsondecode(aws_ecs_task_definition.producer[0].container_definitions)[0].healthCheck.command) > 1
    )
    error_message = "It writes below /tmp only, and its health is checked."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.producer.policy).Statement : join(" ", statement.Resource)
      if contains(["Delete", "Stream"], statement.Sid)
    ] == ["arn:aws:s3:::any/live/connections/*", "arn:aws:kinesis:ap-southeast-2:123456789012:stream/any"]
    error_message = "It may end its lease, and put events into the one stream."
  }
}

run "hours" {
  assert {
    condition = [for one in [aws_scheduler_schedule.producer["start"], aws_scheduler_schedule.publish, aws_scheduler_schedule.producer["stop"]] : "${one.schedule_expression} ${one.schedule_expression_timezone} ${one.state}"] == [
      "cron(40 9 ? * MON-FRI *) Australia/Sydney ENABLED",
      "cron(* 10-17 ? * MON-FRI *) Australia/Sydney ENABLED",
      "cron(50 16 ? * MON-FRI *) Australia/Sydney ENABLED",
    ]
    error_message = "The session's hours in Sydney, whatever the season."
  }

  assert {
    condition     = [for name in ["start", "stop"] : jsondecode(one(aws_scheduler_schedule.producer[name].target).input).DesiredCount] == [1, 0]
    error_message = "One producer in a session, and none outside."
  }
}

run "hours_in_new_york" {
  variables {
    market           = "US"
    schedule_enabled = false
  }

  assert {
    condition = [for one in [aws_scheduler_schedule.producer["start"], aws_scheduler_schedule.publish, aws_scheduler_schedule.producer["stop"]] : "${one.schedule_expression} ${one.schedule_expression_timezone} ${one.state}"] == [
      "cron(10 9 ? * MON-FRI *) America/New_York DISABLED",
      "cron(* 9-17 ? * MON-FRI *) America/New_York DISABLED",
      "cron(50 16 ? * MON-FRI *) America/New_York DISABLED",
    ]
    error_message = "Hours of New York; disabled, everything is started by hand."
  }
}

run "alerts" {
  assert {
    condition     = [for name, one in aws_sns_topic_subscription.alerts : "${name} ${jsonencode(one.filter_policy)}"] == ["email:a@example.org null", "sms:+61400000000 ${jsonencode(jsonencode({ severity = ["critical"] }))}"]
    error_message = "A telephone gets what its filter lets through."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.alerts.policy).Statement : statement.Sid => jsonencode(try(statement.Condition, statement.Principal))
      } == {
      Publishers  = jsonencode({ AWS = var.sender_role_arns })
      NoOtherRole = jsonencode({ ArnNotEquals = { "aws:PrincipalArn" = var.sender_role_arns } })
      TlsOnly     = jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    }
    error_message = "Only the functions that send alerts, and over TLS."
  }

  assert {
    condition     = aws_sns_topic.alerts.kms_master_key_id == "alias/aws/sns"
    error_message = "Alerts are encrypted."
  }
}

run "raw_events" {
  assert {
    condition = { for name, table in aws_glue_catalog_table.this : name => table.parameters["storage.location.template"] } == {
      raw_events   = "s3://any/raw_events/days/date=$${date}/"
      raw_arrivals = "s3://any/raw_events/arrivals/date=$${date}/hour=$${hour}/"
    }
    error_message = "Athena finds the folders of a day and hour by their names."
  }
}

run "without_an_image_nothing_runs" {
  variables {
    producer = { image = null, source = "yahoo-poll", linger = 5, cpu = 256, memory = 1024 }
  }

  assert {
    condition     = length(aws_ecs_service.producer) == 0 && length(aws_ecs_task_definition.producer) == 0 && length(aws_scheduler_schedule.producer) == 0
    error_message = "A task without an image could not start."
  }

  assert {
    condition     = aws_ecr_repository.producer.image_tag_mutability == "IMMUTABLE"
    error_message = "The repository is there for the first image."
  }
}

run "a_key_of_the_customer" {
  variables {
    kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/customer"
    network     = { vpc_id = "vpc-mine", subnet_ids = ["subnet-mine"], public_ip = false }
  }

  assert {
    condition = toset([
      aws_kinesis_stream.events.kms_key_id, aws_sns_topic.alerts.kms_master_key_id,
      one(aws_dynamodb_table.live.server_side_encryption).kms_key_arn,
    ]) == toset([var.kms_key_arn])
    error_message = "Events, bars and alerts are encrypted with the customer's key."
  }

  assert {
    condition = (
      one(aws_ecs_service.producer[0].network_configuration).subnets == toset(["subnet-mine"])
      && !one(aws_ecs_service.producer[0].network_configuration).assign_public_ip
    )
    error_message = "The producer runs where the customer wants it."
  }
}
