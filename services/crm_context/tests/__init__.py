"""Tests of the CRM context service."""
