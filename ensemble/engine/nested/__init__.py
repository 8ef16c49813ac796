"""What a search is worth on patients that it did not choose on, and what each member adds."""
