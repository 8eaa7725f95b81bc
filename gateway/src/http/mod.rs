//! The REST API: routes, callers, problems.
