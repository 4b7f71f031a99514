"""What an evaluator notices: real motions under known corruptions of growing strength."""
