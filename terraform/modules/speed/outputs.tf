output "names" {
  description = "What was created: names of stream and table, ARNs of the alerts' topic and of the table's stream, URLs of the queue of failures and of the producer's repository."
  value = {
    stream              = aws_kinesis_stream.events.name
    table               = aws_dynamodb_table.live.name
    table_stream_arn    = aws_dynamodb_table.live.stream_arn
    topic_arn           = aws_sns_topic.alerts.arn
    failures_url        = aws_sqs_queue.failures.url
    producer_repository = aws_ecr_repository.producer.repository_url
  }
}
