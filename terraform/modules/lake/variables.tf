variable "bucket_name" {
  description = "Name of the bucket."
  type        = string
}

variable "may_be_destroyed" {
  description = "Whether destroy deletes the bucket although it contains objects."
  type        = bool
}

variable "require_tls" {
  description = "Whether requests over plain HTTP are refused."
  type        = bool
}

variable "kms_key_arn" {
  description = "ARN of a customer's key for the objects, or null: S3's own encryption."
  type        = string
}
