//! How an event comes in: content modes, idempotency, matching.
