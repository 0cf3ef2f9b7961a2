"""What ours is measured beside, each written as one writes it without further thought."""
