"""What a served model answers of one picture: findings with grades, a mask, measurements, in its own pixels."""
