"""What is made of a search's gains: weights by several rules, and which of them hold on other patients."""
