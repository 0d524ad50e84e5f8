# The pipeline on AWS. Resources that change together are in one module.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  name   = "stockstream-${var.environment}"
  region = data.aws_region.current.name

  settings = merge(var.settings, {
    STOCKSTREAM_LAKE   = "s3://${module.lake.bucket}"
    STOCKSTREAM_MARKET = var.market
    STOCKSTREAM_SOURCE = var.data_source
    ENVIRONMENT        = var.environment
    LOG_LEVEL          = var.log_level
  })
  # The names are here, as functions and speed layer depend on each other.
  live = {
    LIVE_STREAM     = "${local.name}-events"
    LIVE_TABLE      = "${local.name}-live"
    ALERT_TOPIC_ARN = "arn:${data.aws_partition.current.partition}:sns:${local.region}:${data.aws_caller_identity.current.account_id}:${local.name}-alerts"
  }
  steps = toset(keys(jsondecode(file("${path.module}/packages.json")).functions))
}

module "lake" {
  source = "./modules/lake"

  bucket_name      = coalesce(var.bucket_name, "${local.name}-${data.aws_caller_identity.current.account_id}-${local.region}")
  may_be_destroyed = var.lake_may_be_destroyed
  require_tls      = var.require_tls
  kms_key_arn      = var.kms_key_arn
}

module "functions" {
  source = "./modules/functions"

  name                      = local.name
  bucket_arn                = module.lake.bucket_arn
  architecture              = var.architecture
  python_version            = var.python_version
  log_retention_days        = var.log_retention_days
  timeouts                  = var.timeouts
  polygon_api_key_parameter = var.polygon_api_key_parameter
  kms_key_arn               = var.kms_key_arn
  alert_topic_arn           = var.alert_topic_arn == null && var.speed_enabled ? local.live.ALERT_TOPIC_ARN : var.alert_topic_arn

  environment      = local.settings
  live_environment = var.speed_enabled ? local.live : null

  serving_enabled     = var.serving_enabled
  serving_environment = var.serving_enabled ? module.serving[0].environment : {}
  serving_storage     = var.serving.storage
}

module "workflow" {
  source = "./modules/workflow"

  name             = local.name
  environment      = var.environment
  market           = var.market
  schedule         = var.schedule
  schedule_enabled = var.schedule_enabled
  function_arns    = { for name in setsubtract(local.steps, ["vacuum"]) : name => module.functions.arns[name] }
  alarm_emails     = var.alarm_emails

  log_retention_days = var.log_retention_days
  kms_key_arn        = var.kms_key_arn
}

module "vacuum" {
  source = "./modules/vacuum"

  name             = local.name
  market           = var.market
  schedule         = var.vacuum_schedule
  schedule_enabled = var.schedule_enabled
  function_arn     = module.functions.arns["vacuum"]
}

module "alarms" {
  source = "./modules/alarms"

  name                = local.name
  environment         = var.environment
  market              = var.market
  topic_arn           = module.workflow.topic_arn
  state_machine_arn   = module.workflow.state_machine_arn
  function_timeouts   = { for name, timeout in module.functions.timeouts : name => timeout if !endswith(name, "-fold-events") }
  max_missing_symbols = coalesce(var.most_missing_symbols, var.max_missing_symbols)
  monthly_budget      = var.monthly_budget
  alarm_emails        = var.alarm_emails
}

module "readers" {
  source = "./modules/readers"

  name                 = local.name
  bucket               = module.lake.bucket
  bucket_arn           = module.lake.bucket_arn
  kms_key_arn          = var.kms_key_arn
  principals           = var.reader_principals
  athena_enabled       = var.athena_enabled
  athena_scan_limit_gb = var.athena_scan_limit_gb
}

module "speed" {
  source = "./modules/speed"
  count  = var.speed_enabled ? 1 : 0

  name                      = local.name
  stream                    = local.live.LIVE_STREAM
  table                     = local.live.LIVE_TABLE
  topic                     = "${local.name}-alerts"
  environment_name          = var.environment
  environment               = local.settings
  market                    = var.market
  bucket                    = module.lake.bucket
  bucket_arn                = module.lake.bucket_arn
  fold                      = module.functions.functions["fold_events"]
  publish                   = module.functions.functions["publish_live"]
  sender_role_arns          = [for name in ["publish_live", "send_alerts"] : module.functions.functions[name].role_arn]
  batches                   = var.live_batches
  schedule_enabled          = var.schedule_enabled
  alert_subscriptions       = var.alert_subscriptions
  alarm_topic_arn           = module.workflow.topic_arn
  producer                  = merge(var.producer, { image = var.producer_image })
  network                   = var.producer_network
  polygon_api_key_parameter = var.polygon_api_key_parameter
  architecture              = var.architecture
  log_retention_days        = var.log_retention_days
  athena_scan_limit_gb      = var.athena_scan_limit_gb
  kms_key_arn               = var.kms_key_arn
}

module "serving" {
  source = "./modules/serving"
  count  = var.serving_enabled ? 1 : 0

  name               = local.name
  environment_name   = var.environment
  market             = var.market
  bucket_arn         = module.lake.bucket_arn
  functions          = { for name, function in module.functions.functions : name => function if contains(["push_live", "serve_http", "serve_sockets"], name) }
  keys_parameter     = var.serving_keys_parameter
  sockets_enabled    = var.speed_enabled
  table_stream_arn   = one(module.speed[*].names.table_stream_arn)
  throttling         = { rate = var.serving.rate, burst = var.serving.burst }
  max_latency_ms     = var.serving.max_latency_ms
  alarm_topic_arn    = module.workflow.topic_arn
  log_retention_days = var.log_retention_days
  kms_key_arn        = var.kms_key_arn
}
