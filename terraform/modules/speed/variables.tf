variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "stream" {
  description = "Name of the stream of events, as the functions know it."
  type        = string
}

variable "table" {
  description = "Name of the table of live bars, as the functions know it."
  type        = string
}

variable "topic" {
  description = "Name of the topic of alerts, as the functions know it."
  type        = string
}

variable "environment_name" {
  description = "Name of the deployment: a dimension of the metrics."
  type        = string
}

variable "market" {
  description = "ASX or US: determines the hours of the session, and is a dimension of the metrics."
  type        = string
}

variable "bucket" {
  description = "Name of the lake's bucket."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the lake's bucket."
  type        = string
}

variable "fold" {
  description = "The function that folds events: its ARN, its name, and the name of its role."
  type        = object({ arn = string, name = string, role = string })
}

variable "publish" {
  description = "The function that publishes live bars and alerts, in the same way."
  type        = object({ arn = string, name = string, role = string })
}

variable "batches" {
  description = "Maximum of records that one invocation folds, seconds for which they are collected, and batches of a shard at once."
  type        = object({ records = number, seconds = number, parallel = number })
}

variable "schedule_enabled" {
  description = "Whether live bars are published, and the producer is started and stopped, with the sessions."
  type        = bool
}

variable "alert_subscriptions" {
  description = "Who gets alerts: protocol (email, sms, https), endpoint, and the values of message attributes that are let through."
  type        = list(object({ protocol = string, endpoint = string, filter = map(list(string)) }))
}

variable "sender_role_arns" {
  description = "ARNs of the roles that may publish alerts."
  type        = list(string)
}

variable "alarm_topic_arn" {
  description = "ARN of the topic for alarms."
  type        = string
}

variable "producer" {
  description = "The producer: image (null: none runs), source of events, seconds for which they are packed, and CPU units and MB of its task."
  type        = object({ image = string, source = string, linger = number, cpu = number, memory = number })
}

variable "environment" {
  description = "Environment variables of the producer; no secrets."
  type        = map(string)
}

variable "polygon_api_key_parameter" {
  description = "Name of the SSM parameter that holds Polygon's API key, or null."
  type        = string
}

variable "network" {
  description = "VPC (null: the default one) and subnets (null: all of the VPC's) of the producer, and whether it has a public address."
  type        = object({ vpc_id = string, subnet_ids = list(string), public_ip = bool })
}

variable "architecture" {
  description = "Processor architecture of the producer: arm64 or x86_64."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "athena_scan_limit_gb" {
  description = "Maximum of GB that one query of the raw events may scan."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of a customer's key for stream, table, messages and objects, or null: AWS's keys."
  type        = string
}
