# Athena over the raw events, as the functions have put them (pipeline/live/raw_events.py): objects of JSON lines per batch,
# in folders per day and hour. An event that was delivered again is in two objects; the saved query has each once, as the
# view `raw_events` does in DuckDB.

locals {
  # The fields of RawEvent in the same order, with Athena's type names.
  columns = [
    ["symbol", "string"],
    ["kind", "string"],
    ["at", "bigint"],
    ["arrived_at", "bigint"],
    ["position", "string"],
    ["event", "string"],
  ]
  arrivals = "s3://${var.bucket}/raw_events/arrivals"
}

resource "aws_glue_catalog_database" "live" {
  name = "${replace(var.name, "-", "_")}_live"
}

resource "aws_glue_catalog_table" "raw_events" {
  name          = "raw_events"
  database_name = aws_glue_catalog_database.live.name
  description   = "Every event as it came; one that was delivered again may occur twice"
  table_type    = "EXTERNAL_TABLE"

  # Athena computes the folders from a query's days and hours: no crawler, and none to add by hand.
  parameters = {
    classification              = "json"
    compressionType             = "gzip"
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = "2026-01-01,NOW+1DAY"
    "projection.hour.type"      = "integer"
    "projection.hour.range"     = "0,23"
    "projection.hour.digits"    = "2"
    "storage.location.template" = "${local.arrivals}/date=$${date}/hour=$${hour}/"
  }

  partition_keys {
    name    = "date"
    type    = "string"
    comment = "The day of the session"
  }

  partition_keys {
    name    = "hour"
    type    = "int"
    comment = "The hour of the arrival, UTC"
  }

  storage_descriptor {
    location      = "${local.arrivals}/"
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

resource "aws_athena_workgroup" "live" {
  name          = "${var.name}-live"
  description   = "Queries of the raw events with a scan limit"
  force_destroy = true

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.athena_scan_limit_gb * 1000000000

    result_configuration {
      output_location = "s3://${var.bucket}/athena-results/"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

resource "aws_athena_named_query" "events" {
  name        = "events"
  description = "The events of a symbol in a session, each once"
  workgroup   = aws_athena_workgroup.live.id
  database    = aws_glue_catalog_database.live.name

  query = <<-SQL
    SELECT DISTINCT symbol, kind, at, arrived_at, position, event
    FROM raw_events
    WHERE date = '2026-11-25' AND symbol = 'BHP'
    ORDER BY arrived_at, position
  SQL
}
