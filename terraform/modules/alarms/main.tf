# What somebody is told of, beside the message that a failed or incomplete run sends itself.

locals {
  dimensions = { environment = var.environment, market = var.market, service = "stockstream" }
  hour       = 3600
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = var.function_timeouts

  alarm_name          = "${each.key}-errors"
  alarm_description   = "The function failed: see its log group."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = each.key }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "duration" {
  for_each = var.function_timeouts

  alarm_name          = "${each.key}-duration"
  alarm_description   = "The function took more than 80 % of its ${each.value} s: raise its timeout in packages.json, or give it less."
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  dimensions          = { FunctionName = each.key }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value * 1000 * 0.8
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

# Only the functions that run several at once can meet the account's limit; an alarm costs 10 cents a month.
resource "aws_cloudwatch_metric_alarm" "throttles" {
  for_each = toset([for function in keys(var.function_timeouts) : function if can(regex("(fetch-batch|resample)$", function))])

  alarm_name          = "${each.key}-throttles"
  alarm_description   = "Lambda refused to start the function: the account's concurrency is used up."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = each.key }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "no_successful_run" {
  alarm_name          = "${var.name}-no-successful-run"
  alarm_description   = "No run has succeeded in 26 hours: is the schedule enabled, and what did the last execution fail of?"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsSucceeded"
  dimensions          = { StateMachineArn = var.state_machine_arn }
  statistic           = "Sum"
  period              = local.hour
  evaluation_periods  = 26
  datapoints_to_alarm = 26
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "missing_symbols" {
  alarm_name          = "${var.name}-missing-symbols"
  alarm_description   = "A run missed more than ${var.most_missing_symbols} symbols: its message says which, and why."
  namespace           = "StockStream"
  metric_name         = "MissingSymbols"
  dimensions          = local.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.most_missing_symbols
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_dashboard" "pipeline" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for n, widget in [
        {
          title   = "Runs"
          metrics = [for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", metric, "StateMachineArn", var.state_machine_arn]]
          stat    = "Sum"
        },
        {
          title   = "Seconds of a run"
          metrics = [["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arn]]
          stat    = "Maximum"
        },
        {
          title   = "Symbols and rows"
          metrics = [for metric in ["Symbols", "MissingSymbols", "Rows"] : concat(["StockStream", metric], flatten([for name, value in local.dimensions : [name, value]]))]
          stat    = "Maximum"
        },
        {
          title   = "Functions: milliseconds"
          metrics = [for function in keys(var.function_timeouts) : ["AWS/Lambda", "Duration", "FunctionName", function]]
          stat    = "Maximum"
        },
        {
          title   = "Functions: errors"
          metrics = [for function in keys(var.function_timeouts) : ["AWS/Lambda", "Errors", "FunctionName", function]]
          stat    = "Sum"
        },
        {
          title   = "Functions: at once"
          metrics = [for function in keys(var.function_timeouts) : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", function]]
          stat    = "Maximum"
        },
        ] : {
        type       = "metric"
        x          = n % 2 * 12
        y          = floor(n / 2) * 6
        width      = 12
        height     = 6
        properties = merge(widget, { region = var.region, period = local.hour, view = "timeSeries" })
      }
    ]
  })
}

resource "aws_budgets_budget" "monthly" {
  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:environment$%s", var.environment)]
  }

  dynamic "notification" {
    for_each = length(var.alarm_emails) == 0 ? {} : { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      comparison_operator        = "GREATER_THAN"
      subscriber_email_addresses = var.alarm_emails
    }
  }
}
