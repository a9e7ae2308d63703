"""What judged quantities must be, computed in other ways than the reference's."""
