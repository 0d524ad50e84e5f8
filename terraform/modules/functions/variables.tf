variable "name" {
  description = "Prefix of the functions' names."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the lake's bucket."
  type        = string
}

variable "architecture" {
  description = "Processor architecture: arm64 or x86_64."
  type        = string
}

variable "python_version" {
  description = "Python version of the Lambda runtime."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "timeouts" {
  description = "Timeout in seconds per function, overriding packages.json."
  type        = map(number)
}

variable "polygon_api_key_parameter" {
  description = "Name of the SSM parameter that holds Polygon's API key, or null."
  type        = string
}

variable "environment" {
  description = "Environment variables of every function; no secrets."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "ARN of the customer's key for the lake's objects, or null."
  type        = string
}

variable "live_environment" {
  description = "Further environment variables of the functions of the speed layer, or null: there is no speed layer."
  type        = map(string)
}

variable "alert_topic_arn" {
  description = "ARN of the SNS topic for the signals of the day, or null: none are sent."
  type        = string
}

variable "serving_enabled" {
  description = "Whether there is a serving layer: its functions, and a serving file per generation."
  type        = bool
}

variable "serving_environment" {
  description = "Further environment variables of the functions of the serving layer."
  type        = map(string)
}

variable "serving_storage" {
  description = "MB in /tmp of the function that answers requests: it holds up to four serving files."
  type        = number
}
