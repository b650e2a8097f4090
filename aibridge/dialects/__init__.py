"""The wire APIs that clients speak: each an exchange, sans-IO."""
