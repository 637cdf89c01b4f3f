"""Speed of the platform beside the simplest code that could do the same: python -m bench"""
