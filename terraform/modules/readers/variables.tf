variable "name" {
  description = "First part of all names."
  type        = string
}

variable "bucket" {
  description = "The lake's bucket."
  type        = string
}

variable "bucket_arn" {
  description = "Its ARN."
  type        = string
}

variable "principals" {
  description = "ARNs that may take the role."
  type        = list(string)
}

variable "athena_enabled" {
  description = "Whether there are a Glue table and an Athena workgroup."
  type        = bool
}

variable "athena_scan_limit_gb" {
  description = "Most that one query may scan."
  type        = number
}
