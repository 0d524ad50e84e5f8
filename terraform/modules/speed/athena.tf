# Athena over the raw events (pipeline/live/raw_events.py): `raw_events` has the sessions that are over, arranged by symbol, and
# `raw_arrivals` the batches as they came, of the last 30 days. An event that was delivered again is in two batches; the
# saved query has each once, as the view `raw_events` does in DuckDB.

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
  dates = {
    "projection.enabled"     = "true"
    "projection.date.type"   = "date"
    "projection.date.format" = "yyyy-MM-dd"
    "projection.date.range"  = "2026-01-01,NOW+1DAY"
  }
  hours = {
    "projection.hour.type"   = "integer"
    "projection.hour.range"  = "0,23"
    "projection.hour.digits" = "2"
  }
  # Athena computes the folders from a query's days and hours: no crawler, and none to add by hand.
  tables = {
    raw_events = {
      description = "Every event of the sessions that are over, in the order of symbols"
      folder      = "raw_events/days"
      partitions  = { date = "string" }
      template    = "date=$${date}"
      parameters  = merge(local.dates, { classification = "parquet" })
      input       = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
      output      = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
      library     = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }
    raw_arrivals = {
      description = "Every event as it came, of 30 days; one that was delivered again may occur twice"
      folder      = "raw_events/arrivals"
      partitions  = { date = "string", hour = "int" }
      template    = "date=$${date}/hour=$${hour}"
      parameters  = merge(local.dates, local.hours, { classification = "json", compressionType = "gzip" })
      input       = "org.apache.hadoop.mapred.TextInputFormat"
      output      = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
      library     = "org.openx.data.jsonserde.JsonSerDe"
    }
  }
}

resource "aws_glue_catalog_database" "live" {
  name = "${replace(var.name, "-", "_")}_live"
}

resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  name          = each.key
  database_name = aws_glue_catalog_database.live.name
  description   = each.value.description
  table_type    = "EXTERNAL_TABLE"
  parameters = merge(each.value.parameters, {
    "storage.location.template" = "s3://${var.bucket}/${each.value.folder}/${each.value.template}/"
  })

  dynamic "partition_keys" {
    for_each = each.value.partitions

    content {
      name = partition_keys.key
      type = partition_keys.value
    }
  }

  storage_descriptor {
    location      = "s3://${var.bucket}/${each.value.folder}/"
    input_format  = each.value.input
    output_format = each.value.output

    ser_de_info {
      serialization_library = each.value.library
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
  description = "The events of a symbol in a session that is not arranged yet, each once"
  workgroup   = aws_athena_workgroup.live.id
  database    = aws_glue_catalog_database.live.name

  query = <<-SQL
    SELECT DISTINCT symbol, kind, at, arrived_at, position, event
    FROM raw_arrivals
    WHERE date = '2026-11-25' AND symbol = 'BHP'
    ORDER BY arrived_at, position
  SQL
}
