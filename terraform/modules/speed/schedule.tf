# Publishes the live bars once a minute, from before the opening until the bars are final. The exchange's time zone is that
# of the schedule, so that the hours are right in summer and in winter; on holidays the function finds the market closed.

locals {
  markets = {
    ASX = {
      timezone = "Australia/Sydney"
      publish  = "cron(* 10-17 ? * MON-FRI *)"
      start    = "cron(40 9 ? * MON-FRI *)"
      stop     = "cron(50 16 ? * MON-FRI *)"
    }
    US = {
      timezone = "America/New_York"
      publish  = "cron(* 9-17 ? * MON-FRI *)"
      start    = "cron(10 9 ? * MON-FRI *)"
      stop     = "cron(50 16 ? * MON-FRI *)"
    }
  }
  market = local.markets[var.market]
}

resource "aws_scheduler_schedule" "publish" {
  name                         = "${var.name}-publish-live"
  description                  = "Publishes the live bars of the session that is running"
  state                        = var.schedule_enabled ? "ENABLED" : "DISABLED"
  schedule_expression          = local.market.publish
  schedule_expression_timezone = local.market.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.publish.arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({})

    # The next minute does what this one could not.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 0
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

# Nor is an invocation repeated that found the one before still running.
resource "aws_lambda_function_event_invoke_config" "publish" {
  function_name                = var.publish.name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_iam_role" "schedule" {
  name               = "${var.name}-live-schedule"
  assume_role_policy = local.assumed_by["scheduler.amazonaws.com"]
}

resource "aws_iam_role_policy" "schedule" {
  name = "schedule"
  role = aws_iam_role.schedule.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Invoke"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [var.publish.arn]
      },
      {
        Sid      = "Scale"
        Effect   = "Allow"
        Action   = ["ecs:UpdateService"]
        Resource = ["${local.prefix}:ecs:${data.aws_region.current.name}:${local.account}:service/${aws_ecs_cluster.producer.name}/${var.name}-producer"]
      },
    ]
  })
}
