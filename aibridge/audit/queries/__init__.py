"""What the records say: functions of a connection and filters, the same on SQLite and PostgreSQL, every value bound."""
