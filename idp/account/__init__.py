"""The account door: where people see and change what is kept of them, and who may use it."""
