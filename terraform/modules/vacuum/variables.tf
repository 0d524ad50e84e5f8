variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "market" {
  description = "ASX or US: determines the time zone of the schedule."
  type        = string
}

variable "schedule" {
  description = "cron(...) in the exchange's time zone, or rate(...)."
  type        = string
}

variable "schedule_enabled" {
  description = "Whether the schedule invokes the function."
  type        = bool
}

variable "function_arn" {
  description = "ARN of the function that deletes old generations."
  type        = string
}
