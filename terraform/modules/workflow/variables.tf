variable "name" {
  description = "First part of all names."
  type        = string
}

variable "environment" {
  description = "Named in messages."
  type        = string
}

variable "account" {
  description = "Number of the account."
  type        = string
}

variable "market" {
  description = "ASX or US: decides the hour and the time zone."
  type        = string
}

variable "schedule" {
  description = "cron(...) in the exchange's time zone; null: the market's hour."
  type        = string
}

variable "schedule_enabled" {
  description = "Whether runs start by themselves."
  type        = bool
}

variable "function_arns" {
  description = "The functions' ARNs by name."
  type        = map(string)
}

variable "alarm_emails" {
  description = "Who is told."
  type        = list(string)
}
