# terraform workspace select -or-create prod; terraform apply -var-file=environments/prod.tfvars
environment        = "prod"
log_retention_days = 90
athena_enabled     = true
