output "bucket" {
  description = "Name of the lake's bucket."
  value       = module.lake.bucket
}

output "duckdb_command" {
  description = "Command that opens the lake in the duckdb shell, in the folder of the checkout."
  value       = "AWS_REGION=${local.region} STOCKSTREAM_LAKE=s3://${module.lake.bucket} duckdb -init sql/init.sql"
}

output "function_arns" {
  description = "ARNs of the Lambda functions, by name."
  value       = module.functions.arns
}

output "log_groups" {
  description = "Names of the log groups, by function."
  value       = module.functions.log_groups
}

output "state_machine_arn" {
  description = "ARN of the state machine; a run is one execution of it."
  value       = module.workflow.state_machine_arn
}

output "rule_arn" {
  description = "ARN of the EventBridge schedule that starts the runs."
  value       = module.workflow.schedule_arn
}

output "topic_arn" {
  description = "ARN of the SNS topic for failed and incomplete runs and alarms."
  value       = module.workflow.topic_arn
}

output "reader_role_arn" {
  description = "ARN of the read-only role for analysts."
  value       = module.readers.role_arn
}

output "dashboard" {
  description = "Name of the CloudWatch dashboard."
  value       = module.alarms.dashboard
}

output "cost_tag_command" {
  description = "Command that activates the tag which the budget counts: once per account, by its payer, a day after the first apply."
  value       = "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status TagKey=environment,Status=Active"
}

output "live" {
  description = "The speed layer, or null: stream, table, topic of the alerts, queue of failures, the producer's repository."
  value       = one(module.speed[*].names)
}

output "serving" {
  description = "The serving layer, or null: CloudFront's address, that of the HTTP API behind it, and of the websocket."
  value       = one(module.serving[*].addresses)
}
