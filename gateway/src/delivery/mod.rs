//! How a delivery goes out: fairly, signed, to an address that was vetted.
