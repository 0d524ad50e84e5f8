# terraform apply -var-file=environments/dev.tfvars: runs are started by hand.
environment        = "dev"
schedule_enabled   = false
log_level          = "DEBUG"
log_retention_days = 7
monthly_budget     = 5
