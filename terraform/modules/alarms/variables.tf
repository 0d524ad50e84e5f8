variable "name" {
  description = "First part of all names."
  type        = string
}

variable "environment" {
  description = "A dimension of the metrics."
  type        = string
}

variable "market" {
  description = "A dimension of the metrics."
  type        = string
}

variable "region" {
  description = "AWS region of the dashboard's metrics."
  type        = string
}

variable "topic_arn" {
  description = "Where alarms are told."
  type        = string
}

variable "state_machine_arn" {
  description = "The state machine."
  type        = string
}

variable "function_timeouts" {
  description = "Seconds that each function may take, by its name on AWS."
  type        = map(number)
}

variable "most_missing_symbols" {
  description = "More missing symbols than this are an alarm."
  type        = number
}

variable "monthly_budget" {
  description = "US dollars a month."
  type        = number
}

variable "alarm_emails" {
  description = "Who is told of costs."
  type        = list(string)
}
