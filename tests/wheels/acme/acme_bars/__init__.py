"""What Acme adds to Stock Stream."""
