"""What if: periods, recorded or drawn, run through the real engine under a virtual clock."""
