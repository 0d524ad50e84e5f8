# Alarms, dashboard and budget. A failed or incomplete run sends its own message, see modules/workflow.

data "aws_region" "current" {}

locals {
  dimensions = { environment = var.environment, market = var.market, service = "stockstream" }
  hour       = 3600

  # Only the function that runs several times at once can reach the account's limit; an alarm costs 10 cents a month.
  concurrent = [for function in keys(var.function_timeouts) : function if endswith(function, "fetch-batch")]

  # By the last part of the alarm's name. What is not stated is a default, see below.
  run_alarms = {
    no-successful-run = {
      description = "No run has succeeded in 26 hours: is the schedule enabled, and why did the last execution fail?"
      namespace   = "AWS/States"
      metric      = "ExecutionsSucceeded"
      dimensions  = { StateMachineArn = var.state_machine_arn }
      comparison  = "LessThanThreshold"
      threshold   = 1
      period      = local.hour
      periods     = 26
      missing     = "breaching"
      ok_actions  = [var.topic_arn]
    }
    missing-symbols = {
      description = "More than ${var.max_missing_symbols} symbols were missing in a run: see its message for symbols and reasons."
      namespace   = "StockStream"
      metric      = "MissingSymbols"
      dimensions  = local.dimensions
      statistic   = "Maximum"
      threshold   = var.max_missing_symbols
    }
  }
  error_alarms = {
    for function in keys(var.function_timeouts) : "${function}-errors" => {
      description = "The function failed: see its log group."
      metric      = "Errors"
      function    = function
    }
  }
  duration_alarms = {
    for function, timeout in var.function_timeouts : "${function}-duration" => {
      description = "The function took more than 80 % of its ${timeout} s: raise the timeout in packages.json, or give it less work."
      metric      = "Duration"
      function    = function
      statistic   = "Maximum"
      threshold   = timeout * 1000 * 0.8
    }
  }
  throttle_alarms = {
    for function in local.concurrent : "${function}-throttles" => {
      description = "Lambda refused to start the function: the account's concurrency is used up."
      metric      = "Throttles"
      function    = function
    }
  }
  alarms = merge(
    { for name, alarm in local.run_alarms : "${var.name}-${name}" => alarm },
    local.error_alarms,
    local.duration_alarms,
    local.throttle_alarms,
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = lookup(each.value, "namespace", "AWS/Lambda")
  metric_name         = each.value.metric
  dimensions          = lookup(each.value, "dimensions", { FunctionName = lookup(each.value, "function", null) })
  statistic           = lookup(each.value, "statistic", "Sum")
  period              = lookup(each.value, "period", 300)
  evaluation_periods  = lookup(each.value, "periods", 1)
  datapoints_to_alarm = lookup(each.value, "periods", null)
  comparison_operator = lookup(each.value, "comparison", "GreaterThanThreshold")
  threshold           = lookup(each.value, "threshold", 0)
  treat_missing_data  = lookup(each.value, "missing", "notBreaching")
  alarm_actions       = [var.topic_arn]
  ok_actions          = lookup(each.value, "ok_actions", [])
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
        properties = merge(widget, { region = data.aws_region.current.name, period = local.hour, view = "timeSeries" })
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
