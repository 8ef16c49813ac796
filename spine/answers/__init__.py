"""What a served model answers of one picture: findings with grades, a mask, and measurements, in the picture's pixels."""
