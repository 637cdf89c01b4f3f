"""Two hours of business, lived by simulated people through the outer doors, and counted twice."""
