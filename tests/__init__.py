"""Tests of the whole: real servers, real processes, the outer doors only."""
