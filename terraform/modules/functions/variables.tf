variable "name" {
  description = "First part of the functions' names."
  type        = string
}

variable "account" {
  description = "Number of the account."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the lake's bucket."
  type        = string
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "python_version" {
  description = "Version of the Lambda runtime."
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "timeouts" {
  description = "Seconds for single functions; packages.json has those of the others."
  type        = map(number)
}

variable "polygon_api_key_parameter" {
  description = "Name of the SSM parameter with Polygon's key, or null."
  type        = string
}

variable "environment" {
  description = "Environment variables of every function; no secrets."
  type        = map(string)
}
