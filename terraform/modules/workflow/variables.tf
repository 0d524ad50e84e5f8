variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment" {
  description = "Name of the deployment, for messages."
  type        = string
}

variable "market" {
  description = "ASX or US: determines the hour and the time zone of the schedule."
  type        = string
}

variable "schedule" {
  description = "cron(...) in the exchange's time zone, or null for the market's default."
  type        = string
}

variable "schedule_enabled" {
  description = "Whether the schedule starts runs."
  type        = bool
}

variable "function_arns" {
  description = "ARNs of the functions, by name."
  type        = map(string)
}

variable "alarm_emails" {
  description = "E-mail addresses for messages and alarms."
  type        = list(string)
}

variable "log_retention_days" {
  description = "Days for which the log is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of a customer's key for the messages, or null: a key of the deployment."
  type        = string
}
