"""What the service's commands do; `service.cli` declares them."""
