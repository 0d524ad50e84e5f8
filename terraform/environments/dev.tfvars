# terraform apply -var-file=environments/dev.tfvars: started by hand, cheap to look at.
environment        = "dev"
schedule_enabled   = false
log_level          = "DEBUG"
log_retention_days = 7
monthly_budget     = 5
