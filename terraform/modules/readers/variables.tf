variable "name" {
  description = "Prefix of all names."
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

variable "principals" {
  description = "ARNs that may assume the role; empty: this account, as its own policies allow."
  type        = list(string)
}

variable "athena_enabled" {
  description = "Whether to create a Glue table and an Athena workgroup."
  type        = bool
}

variable "athena_scan_limit_gb" {
  description = "Maximum of GB that one query may scan."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of the customer's key for the lake's objects, or null."
  type        = string
}
