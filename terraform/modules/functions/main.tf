# The Lambda functions, each with its own role and log group.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${replace(each.key, "_", "-")}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name    = "${var.name}-${replace(each.key, "_", "-")}"
  description      = each.value.description
  role             = aws_iam_role.this[each.key].arn
  runtime          = "python${var.python_version}"
  architectures    = [var.architecture]
  handler          = "stockstream.${lookup(each.value, "package", "pipeline.handlers")}.${each.value.handler}"
  filename         = "${local.folder}/${each.key}-${local.function_versions[each.key]}.zip"
  source_code_hash = local.function_versions[each.key]
  layers           = [for layer in each.value.layers : aws_lambda_layer_version.this[layer].arn]
  memory_size      = each.value.memory
  timeout          = lookup(var.timeouts, each.key, each.value.timeout)

  # How many run at once, taken from the account's; -1: as many as there are.
  reserved_concurrent_executions = try(each.value.concurrency, -1)

  # In /tmp are the files that are about to be published, their parts, and what DuckDB cannot hold in memory. Refresh
  # writes the indicators twice, part by part and as one file: `python -m tests.benchmarks.years` measures it.
  ephemeral_storage {
    size = each.key == "serve_http" ? var.serving_storage : try(each.value.ephemeral_storage, 2048)
  }

  environment {
    variables = merge(
      var.environment,
      contains(keys(local.packages.live_functions), each.key) ? var.live_environment : {},
      contains(keys(local.packages.serving_functions), each.key) ? var.serving_environment : {},
      each.key == "publish_serving" ? { STOCKSTREAM_SERVING_FILE = var.serving_enabled } : {},
      each.key == "send_alerts" && var.alert_topic_arn != null ? { ALERT_TOPIC_ARN = var.alert_topic_arn } : {},
      local.reads_key[each.key] ? { POLYGON_API_KEY_PARAMETER = var.polygon_api_key_parameter } : {},
    )
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this, terraform_data.packages]
}
