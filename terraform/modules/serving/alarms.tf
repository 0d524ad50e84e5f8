# Alarms of the serving layer; those on errors and time of each function are in modules/alarms.

locals {
  http = { ApiId = aws_apigatewayv2_api.http.id, Stage = aws_apigatewayv2_stage.http.name }

  # By the last part of the alarm's name. Metrics: namespace, name, statistic, dimensions.
  alarms = merge(
    {
      errors = {
        description = "More than 1 % of the answers of five minutes were errors of the server: see the log of the function serve-http."
        expression  = "100 * errors / FILL(requests, 1)"
        threshold   = 1
        metrics = {
          errors   = ["AWS/ApiGateway", "5xx", "Sum", local.http]
          requests = ["AWS/ApiGateway", "Count", "Sum", local.http]
        }
      }
      latency = {
        description = "One of a hundred answers of five minutes took more than ${var.max_latency_ms} ms: cold starts, or too little memory?"
        expression  = "latency"
        threshold   = var.max_latency_ms
        metrics     = { latency = ["AWS/ApiGateway", "Latency", "p99", local.http] }
      }
      throttles = {
        description = "Requests were refused because too many functions of the account run at once."
        expression  = join(" + ", [for name in local.throttled : "FILL(${name}, 0)"])
        threshold   = 0
        metrics     = { for name in local.throttled : name => ["AWS/Lambda", "Throttles", "Sum", { FunctionName = var.functions[name].name }] }
      }
    },
    !var.sockets_enabled ? {} : {
      push-age = {
        description = "Live bars that are sent are more than half a minute old: are there too many connections for one function?"
        expression  = "age"
        threshold   = 30000
        metrics     = { age = ["AWS/Lambda", "IteratorAge", "Maximum", { FunctionName = var.functions.push_live.name }] }
      }
      push-failures = {
        description = "Messages to websockets could not be sent: see the log of the function push-live."
        expression  = "failed"
        threshold   = 0
        metrics     = { failed = ["StockStream", "FailedMessages", "Sum", { environment = var.environment_name, market = var.market }] }
      }
    },
  )
  throttled = !var.sockets_enabled ? ["serve_http"] : ["push_live", "serve_http", "serve_sockets"]
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-serving-${each.key}"
  alarm_description   = each.value.description
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
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
        period      = 300
      }
    }
  }
}
