# The pipeline on AWS. Resources that change together are in one module.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  name   = "stockstream-${var.environment}"
  region = data.aws_region.current.name
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
  alert_topic_arn           = var.alert_topic_arn

  environment = merge(var.settings, {
    STOCKSTREAM_LAKE   = "s3://${module.lake.bucket}"
    STOCKSTREAM_MARKET = var.market
    STOCKSTREAM_SOURCE = var.data_source
    ENVIRONMENT        = var.environment
    LOG_LEVEL          = var.log_level
  })
}

module "workflow" {
  source = "./modules/workflow"

  name             = local.name
  environment      = var.environment
  market           = var.market
  schedule         = var.schedule
  schedule_enabled = var.schedule_enabled
  function_arns    = { for name, arn in module.functions.arns : name => arn if name != "vacuum" }
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
  function_timeouts   = module.functions.timeouts
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
