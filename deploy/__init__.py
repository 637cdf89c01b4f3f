"""What runs the platform: the local stack, the Helm chart and the dashboards."""
