variable "environment" {
  description = "Name of the deployment, part of every other name: dev or prod, for example."
  type        = string
  default     = "dev"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "2 to 16 characters: lower-case letters, digits, hyphens; a letter first."
  }
}

variable "region" {
  description = "AWS region of the deployment."
  type        = string
  default     = "ap-southeast-2"
}

variable "market" {
  description = "Market of the lake: ASX or US. A lake holds one market."
  type        = string
  default     = "ASX"

  validation {
    condition     = contains(["ASX", "US"], var.market)
    error_message = "ASX or US."
  }
}

variable "data_source" {
  description = "Source of the bars: yahoo, or polygon (US only)."
  type        = string
  default     = "yahoo"

  validation {
    condition     = contains(["yahoo", "polygon"], var.data_source)
    error_message = "yahoo or polygon."
  }
}

variable "polygon_api_key_parameter" {
  description = "Name of the SSM SecureString parameter that holds Polygon's API key, such as /stockstream/polygon; create it by hand. Never the key itself."
  type        = string
  default     = null

  validation {
    condition     = var.polygon_api_key_parameter == null || can(regex("^/[A-Za-z0-9_./-]+$", var.polygon_api_key_parameter))
    error_message = "The name of a parameter, beginning with a slash."
  }
}

variable "settings" {
  description = "Further settings of the functions, as in README.md: { STOCKSTREAM_TRAILING_SESSIONS = \"5\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : startswith(name, "STOCKSTREAM_")])
    error_message = "Names begin with STOCKSTREAM_; secrets do not belong here."
  }
}

variable "log_level" {
  description = "Minimum level of the functions' log messages."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "DEBUG, INFO, WARNING or ERROR."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "One of the numbers that CloudWatch accepts: 7, 14, 30, 60, 90, 180, 365 and so on."
  }
}

variable "schedule" {
  description = "When a run starts, as a cron or rate expression of EventBridge Scheduler in the exchange's time zone (null: the market's default)."
  type        = string
  default     = null

  validation {
    condition     = var.schedule == null || can(regex("^(cron|rate)\\(.+\\)$", var.schedule))
    error_message = "cron(...) or rate(...)."
  }
}

variable "vacuum_schedule" {
  description = "When old generations are deleted, as a cron or rate expression of EventBridge Scheduler in the exchange's time zone."
  type        = string
  default     = "cron(0 3 ? * SUN *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.vacuum_schedule))
    error_message = "cron(...) or rate(...)."
  }
}

variable "schedule_enabled" {
  description = "Whether the schedules start runs, and delete old generations."
  type        = bool
  default     = true
}

variable "architecture" {
  description = "Processor architecture of the functions: arm64 (cheaper) or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "arm64 or x86_64."
  }
}

variable "python_version" {
  description = "Python version of the Lambda runtime."
  type        = string
  default     = "3.13"

  validation {
    condition     = can(regex("^3\\.1[1-9]$", var.python_version))
    error_message = "3.11 or later."
  }
}

variable "timeouts" {
  description = "Timeout in seconds per function, overriding packages.json: { fetch_batch = 600 }."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for seconds in values(var.timeouts) : seconds >= 1 && seconds <= 900])
    error_message = "1 to 900 seconds."
  }
}

variable "bucket_name" {
  description = "Name of the lake's bucket (null: stockstream-ENVIRONMENT-ACCOUNT-REGION)."
  type        = string
  default     = null
}

variable "lake_may_be_destroyed" {
  description = "Whether terraform destroy deletes the lake with every version of every object. Keep it false."
  type        = bool
  default     = false
}

variable "require_tls" {
  description = "Whether the bucket refuses plain HTTP. False only for an endpoint on loopback."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "ARN of your own KMS key for the lake's objects and the messages (null: S3's encryption, and a key of the deployment for the messages). Its policy must allow cloudwatch.amazonaws.com to use it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "The ARN of a key, not of an alias."
  }
}

variable "alarm_emails" {
  description = "E-mail addresses for failed and incomplete runs, alarms and costs; each has to confirm the subscription once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "E-mail addresses."
  }
}

variable "alert_topic_arn" {
  description = "ARN of an SNS topic for the signals of the day (null: none are sent). Its policy must allow the role stockstream-ENVIRONMENT-send-alerts to publish; a topic that is encrypted by a key of yours needs this key as kms_key_arn."
  type        = string
  default     = null

  validation {
    condition     = var.alert_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alert_topic_arn))
    error_message = "The ARN of a topic that is not a FIFO topic."
  }
}

variable "max_missing_symbols" {
  description = "Maximum of missing symbols per run without an alarm."
  type        = number
  default     = 100

  validation {
    condition     = var.max_missing_symbols >= 0
    error_message = "0 or more."
  }
}

variable "most_missing_symbols" {
  description = "Deprecated: use max_missing_symbols."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.most_missing_symbols, 0) >= 0
    error_message = "0 or more."
  }
}

variable "monthly_budget" {
  description = "Budget in US dollars per month; messages are sent at 80 % of it, and when the forecast exceeds it."
  type        = number
  default     = 10

  validation {
    condition     = var.monthly_budget > 0
    error_message = "More than 0."
  }
}

variable "reader_principals" {
  description = "ARNs that may assume the read-only role for analysts (empty: this account, as its own policies allow)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.reader_principals : startswith(arn, "arn:")])
    error_message = "ARNs of users, roles or accounts."
  }
}

variable "athena_enabled" {
  description = "Whether to create a Glue table over the raw bars and an Athena workgroup."
  type        = bool
  default     = false
}

variable "athena_scan_limit_gb" {
  description = "Maximum of GB that one Athena query may scan."
  type        = number
  default     = 1

  validation {
    condition     = var.athena_scan_limit_gb >= 1
    error_message = "1 or more."
  }
}

variable "speed_enabled" {
  description = "Whether to create the speed layer: live bars and alerts while the market is open."
  type        = bool
  default     = false
}

variable "producer_image" {
  description = "Image of the producer of live events, such as the output producer_repository with a tag (null: none runs)."
  type        = string
  default     = null

  validation {
    condition     = var.producer_image == null || can(regex("^[^ :]+(:[0-9]+/[^ :]+)?(:[^ :/]+|@sha256:[0-9a-f]{64})$", var.producer_image))
    error_message = "The name of an image with its tag or digest."
  }
}

variable "producer" {
  description = "Source of the live events (polygon, US only; yahoo; yahoo-poll), seconds in which a symbol's events are packed into a record, and CPU units and MB of the task on Fargate."
  type = object({
    source = optional(string, "yahoo-poll")
    linger = optional(number, 5)
    cpu    = optional(number, 256)
    memory = optional(number, 1024)
  })
  default = {}

  validation {
    condition     = contains(["polygon", "yahoo", "yahoo-poll"], var.producer.source)
    error_message = "source is polygon, yahoo or yahoo-poll."
  }

  validation {
    condition     = contains([256, 512, 1024, 2048], var.producer.cpu) && var.producer.memory >= 2 * var.producer.cpu && var.producer.memory <= 8 * var.producer.cpu
    error_message = "cpu is 256, 512, 1024 or 2048, and memory two to eight times as many MB."
  }
}

variable "producer_network" {
  description = "VPC (null: the default one) and subnets (null: all of it) of the producer; public_ip is for subnets without a NAT gateway."
  type = object({
    vpc_id     = optional(string)
    subnet_ids = optional(list(string))
    public_ip  = optional(bool, true)
  })
  default = {}
}

variable "live_batches" {
  description = "Events that one invocation folds: at most so many records, collected for so many seconds, and so many batches of a shard at once. More seconds are cheaper, fewer are fresher."
  type = object({
    records  = optional(number, 10000)
    seconds  = optional(number, 5)
    parallel = optional(number, 1)
  })
  default = {}

  validation {
    condition     = var.live_batches.records >= 1 && var.live_batches.records <= 10000 && var.live_batches.seconds >= 0 && var.live_batches.seconds <= 300 && var.live_batches.parallel >= 1 && var.live_batches.parallel <= 10
    error_message = "1 to 10000 records, 0 to 300 seconds, 1 to 10 in parallel."
  }
}

variable "alert_subscriptions" {
  description = "Who gets alerts: { protocol = \"sms\", endpoint = \"+61400000000\", filter = { severity = [\"critical\"] } }. A filter lists values of rule, severity or symbol; without one, all alerts come. E-mail addresses have to confirm once."
  type = list(object({
    protocol = string
    endpoint = string
    filter   = optional(map(list(string)), {})
  }))
  default = []

  validation {
    condition     = alltrue([for one in var.alert_subscriptions : contains(["email", "sms", "https"], one.protocol)])
    error_message = "protocol is email, sms or https."
  }

  validation {
    condition     = alltrue(flatten([for one in var.alert_subscriptions : [for name in keys(one.filter) : contains(["rule", "severity", "symbol"], name)]]))
    error_message = "A filter has values of rule, severity and symbol."
  }

  validation {
    condition     = alltrue([for one in var.alert_subscriptions : one.protocol != "sms" || can(regex("^\\+[1-9][0-9]{6,14}$", one.endpoint))])
    error_message = "A telephone number begins with + and the country."
  }
}

variable "serving_enabled" {
  description = "Whether to create the serving layer: the HTTP interface of the lake, and with the speed layer websockets."
  type        = bool
  default     = false
}

variable "serving_keys_parameter" {
  description = "Name of the SSM SecureString parameter with the keys of the callers, the lines that `stockstream serve --new-key NAME` prints; create it by hand. Needed if serving_enabled."
  type        = string
  default     = "/stockstream/keys"

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]+$", var.serving_keys_parameter))
    error_message = "The name of a parameter, beginning with a slash."
  }
}

variable "serving" {
  description = "Of the serving layer: MB of /tmp for serving files (four of them at most), requests per second and at once of all callers, and milliseconds that 99 of 100 answers may take without an alarm."
  type = object({
    storage        = optional(number, 4096)
    rate           = optional(number, 100)
    burst          = optional(number, 200)
    max_latency_ms = optional(number, 3000)
  })
  default = {}

  validation {
    condition     = var.serving.storage >= 512 && var.serving.storage <= 10240
    error_message = "storage is 512 to 10240 MB."
  }

  validation {
    condition     = var.serving.rate > 0 && var.serving.burst > 0 && var.serving.max_latency_ms > 0
    error_message = "rate, burst and max_latency_ms are more than 0."
  }
}
