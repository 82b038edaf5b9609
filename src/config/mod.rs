//! What the operator wrote, parsed into a configuration that is valid by construction.
