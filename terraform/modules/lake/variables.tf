variable "bucket_name" {
  description = "Name of the bucket."
  type        = string
}

variable "may_be_destroyed" {
  description = "Whether destroy deletes it although it holds objects."
  type        = bool
}

variable "require_tls" {
  description = "Whether plain HTTP is refused."
  type        = bool
}
