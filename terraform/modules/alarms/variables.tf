variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment" {
  description = "Name of the deployment: a dimension of the metrics."
  type        = string
}

variable "market" {
  description = "ASX or US: a dimension of the metrics."
  type        = string
}

variable "topic_arn" {
  description = "ARN of the SNS topic for alarms."
  type        = string
}

variable "state_machine_arn" {
  description = "ARN of the state machine."
  type        = string
}

variable "function_timeouts" {
  description = "Timeout in seconds per function, by its name on AWS."
  type        = map(number)
}

variable "max_missing_symbols" {
  description = "Maximum of missing symbols per run without an alarm."
  type        = number
}

variable "monthly_budget" {
  description = "Budget in US dollars per month."
  type        = number
}

variable "alarm_emails" {
  description = "E-mail addresses for messages about costs."
  type        = list(string)
}
