variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment_name" {
  description = "Name of the deployment: a dimension of the metrics."
  type        = string
}

variable "market" {
  description = "ASX or US: a dimension of the metrics."
  type        = string
}

variable "bucket_arn" {
  description = "ARN of the lake's bucket."
  type        = string
}

variable "functions" {
  description = "The functions serve_http, and with a speed layer serve_sockets and push_live: ARN, ARN for API Gateway, name, and the name of the role."
  type        = map(object({ arn = string, invoke_arn = string, name = string, role = string }))
}

variable "keys_parameter" {
  description = "Name of the SSM parameter with the keys of the callers."
  type        = string
}

variable "sockets_enabled" {
  description = "Whether there is a WebSocket API: there is a speed layer."
  type        = bool
}

variable "table_stream_arn" {
  description = "ARN of the stream of the table of live bars, or null without a speed layer."
  type        = string
}

variable "throttling" {
  description = "Requests per second of all callers together, and at once."
  type        = object({ rate = number, burst = number })
}

variable "max_latency_ms" {
  description = "Milliseconds that 99 of 100 answers may take without an alarm."
  type        = number
}

variable "alarm_topic_arn" {
  description = "ARN of the topic for alarms."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of a customer's key for the table of the connections, or null: AWS's key."
  type        = string
}
