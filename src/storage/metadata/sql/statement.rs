//! SQL as constants, each listed so that a test prepares every one of them against the schema of each database.

/// Defines statements as constants, and `ALL` of them for the tests.
macro_rules! statements {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* $visibility const $name: &str = $sql;)+

        /// Every statement of this file.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

pub(super) use statements;
