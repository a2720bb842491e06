"""Floor 3: who people are, how they prove it, what they may do and what they allowed.

The rooms do not import one another. What two of them need about the tables below lies beside them:
`locks` (the order of changes to one user) and `families` (revoking what was issued).
"""
